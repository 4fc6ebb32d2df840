//! `pytorch_model.bin`, through Burn's reader: nothing in the file is executed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pytorch_reader::{DType, PytorchReader};

use super::weights::{Element, Entry, Source};
use crate::Error;

/// A PyTorch state dict, in `torch.save`'s present or older forms.
#[derive(Debug)]
pub(super) struct PytorchFile {
    reader: PytorchReader,
    path: PathBuf,
    size: u64,
}

impl PytorchFile {
    /// Opens `path` and reads the list of its tensors.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            reader: PytorchReader::new(path).map_err(|e| damaged(path, &e))?,
            path: path.to_owned(),
            size: metadata.len(),
        })
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Pytorch {
        file: path.display().to_string(),
        message: error.to_string(),
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
        // A view may repeat its storage without end, so that the reader alone would allocate what a file only claims.
        if found.byte_len() as u64 > self.size {
            let message = format!("{tensor} takes more bytes than the file has");
            return Err(damaged(&self.path, &message));
        }
        let mut bytes = found.read().map_err(|source| match source.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => damaged(&self.path, &source),
            _ => Error::Io {
                path: self.path.clone(),
                source,
            },
        })?;
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
