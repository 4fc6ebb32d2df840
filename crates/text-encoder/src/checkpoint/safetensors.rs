//! `model.safetensors`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};

use super::weights::{Element, Entry, Source};
use crate::Error;

/// The format's own limit on the header.
const MAX_HEADER: u64 = 100_000_000;

/// An open safetensors file.
#[derive(Debug)]
pub(super) struct SafetensorsFile {
    file: File,
    path: PathBuf,
    header: Metadata,
    data: u64,
}

impl SafetensorsFile {
    /// Opens `path` and checks its header against its size.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let damaged = |source| Error::Safetensors {
            file: path.display().to_string(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if size < 8 {
            return Err(damaged(SafeTensorError::HeaderTooSmall));
        }
        let mut length = [0u8; 8];
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return Err(damaged(SafeTensorError::HeaderTooLarge));
        }
        if length > size - 8 {
            return Err(damaged(SafeTensorError::InvalidHeaderLength));
        }
        let mut header = vec![0u8; length as usize];
        file.read_exact(&mut header).map_err(io)?;
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|e| damaged(SafeTensorError::InvalidHeaderDeserialization(e)))?;
        let data = 8 + length;
        if header.data_len() as u64 != size - data {
            return Err(damaged(SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            header,
            data,
        })
    }
}

impl Source for SafetensorsFile {
    fn entry(&self, tensor: &str) -> Option<Entry<'_>> {
        let info = self.header.info(tensor)?;
        Some(Entry {
            element: match info.dtype {
                Dtype::F32 => Some(Element::F32),
                Dtype::F16 => Some(Element::F16),
                Dtype::BF16 => Some(Element::Bf16),
                _ => None,
            },
            kind: format!("{:?}", info.dtype),
            shape: &info.shape,
        })
    }

    fn bytes(&self, tensor: &str, expected: usize) -> Result<Vec<u8>, Error> {
        let damaged = |source| Error::Safetensors {
            file: self.path.display().to_string(),
            source,
        };
        let missing = || damaged(SafeTensorError::TensorNotFound(tensor.into()));
        let (start, end) = self.header.info(tensor).ok_or_else(missing)?.data_offsets;
        // The header was checked against the file's size: nothing larger than the file is allocated.
        if end.checked_sub(start) != Some(expected) {
            return Err(damaged(SafeTensorError::TensorInvalidInfo));
        }
        let io = |source| Error::Io {
            path: self.path.clone(),
            source,
        };
        let mut data = vec![0u8; expected];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.data + start as u64))
            .map_err(io)?;
        file.read_exact(&mut data).map_err(io)?;
        Ok(data)
    }
}
