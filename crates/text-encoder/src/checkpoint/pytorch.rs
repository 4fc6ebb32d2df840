//! `pytorch_model.bin`, through Burn's reader: nothing in the file is executed.

use std::path::{Path, PathBuf};

use torch_file::{DType, PytorchReader};

use super::weights::{Element, Entry, Source};
use crate::Error;

/// A PyTorch state dict, in `torch.save`'s present or older forms.
#[derive(Debug)]
pub(super) struct PytorchFile {
    reader: PytorchReader,
    path: PathBuf,
}

impl PytorchFile {
    /// Opens `path` and reads the list of its tensors.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            reader: torch_file::open(path).map_err(|error| of_reader(path, error))?,
            path: path.to_owned(),
        })
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Pytorch {
        file: path.display().to_string(),
        message: error.to_string(),
    }
}

fn of_reader(path: &Path, error: torch_file::Error) -> Error {
    match error {
        torch_file::Error::Io { path, source } => Error::Io { path, source },
        torch_file::Error::Limit { why, .. } | torch_file::Error::Damaged { why, .. } => {
            damaged(path, &why)
        }
        other => damaged(path, &other),
    }
}

impl Source for PytorchFile {
    fn entry(&self, tensor: &str) -> Option<Entry<'_>> {
        let tensor = self.reader.get(tensor)?;
        Some(Entry {
            element: match tensor.dtype() {
                DType::F32 => Some(Element::F32),
                DType::F16 => Some(Element::F16),
                DType::BF16 => Some(Element::Bf16),
                _ => None,
            },
            kind: format!("{:?}", tensor.dtype()),
            shape: tensor.shape(),
        })
    }

    fn bytes(&self, tensor: &str, expected: usize) -> Result<Vec<u8>, Error> {
        let found = self.reader.get(tensor);
        let found = found.ok_or_else(|| damaged(&self.path, &format!("{tensor} is missing")))?;
        let read = torch_file::read(&self.path, found);
        let mut bytes = read.map_err(|error| of_reader(&self.path, error))?;
        if bytes.len() != expected {
            let message = format!("{tensor} has {} bytes, expected {expected}", bytes.len());
            return Err(damaged(&self.path, &message));
        }
        if cfg!(target_endian = "big") {
            // The reader gives the machine's own order.
            let size = found.dtype().size();
            bytes.chunks_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(bytes)
    }
}
