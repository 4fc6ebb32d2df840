//! PyTorch's `.pth` files. Nothing in them is run: the reader knows the few calls that tensors are saved with.

use std::path::{Path, PathBuf};

use torch_file::{DType, PytorchReader};

use super::{halves, open, singles};
use crate::Error;

/// The tensors of a checkpoint, on disk until they are asked for.
pub(crate) struct Checkpoint {
    reader: PytorchReader,
    path: PathBuf,
}

impl Checkpoint {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        // For its limit.
        open(path)?;
        let reader = torch_file::open(path).map_err(|source| Error::Checkpoint {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        Ok(Self {
            reader,
            path: path.to_path_buf(),
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.reader.tensors().keys().map(String::as_str)
    }

    pub(super) fn describe(&self, name: &str) -> Option<(String, Vec<usize>)> {
        let tensor = self.reader.get(name)?;
        Some((format!("{:?}", tensor.dtype()), tensor.shape().to_vec()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        let Some(tensor) = self.reader.get(name) else {
            return Ok(None);
        };
        let decode = match tensor.dtype() {
            DType::F16 => halves,
            DType::F32 => singles,
            _ => return Ok(None),
        };
        let mut bytes = tensor.read().map_err(|source| Error::Checkpoint {
            path: self.path.clone(),
            source: Box::new(source),
        })?;
        to_little_endian(&mut bytes, tensor.dtype().size());
        Ok(Some(decode(&bytes)))
    }
}

/// The reader gives the machine's own order.
fn to_little_endian(bytes: &mut [u8], size: usize) {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
}
