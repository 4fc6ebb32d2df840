//! The header of a safetensors file.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::HeaderError;

/// The format's own limit, in bytes.
pub(crate) const LIMIT: u64 = 100_000_000;
/// Bytes of the header's length.
pub(crate) const PREFIX: u64 = 8;

/// What a file says about its tensors.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, Entry>,
    /// Where the tensors' bytes begin in the file.
    pub(crate) start: u64,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Its bytes, counted from [`Header::start`].
    pub(crate) place: Range<usize>,
}

/// What stops reading a header.
pub(crate) enum Failure {
    Io(std::io::Error),
    Header(HeaderError),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl Header {
    /// Reads the header of a file of `length` bytes. Types, shapes and offsets agree with one another and with
    /// `length` afterwards; nothing larger than the file is allocated.
    pub(crate) fn read(mut reader: impl Read, length: u64) -> Result<Self, Failure> {
        if length < PREFIX {
            return Err(HeaderError::TooShort { bytes: length }.into());
        }
        let mut prefix = [0; PREFIX as usize];
        reader.read_exact(&mut prefix)?;
        let header = u64::from_le_bytes(prefix);
        if header > LIMIT {
            return Err(HeaderError::TooLong {
                bytes: header,
                limit: LIMIT,
            }
            .into());
        }
        if header > length - PREFIX {
            return Err(HeaderError::Truncated {
                header,
                bytes: length,
            }
            .into());
        }
        let mut json = vec![0; header as usize];
        reader.read_exact(&mut json)?;
        let parsed: Metadata = serde_json::from_slice(&json).map_err(HeaderError::from)?;
        let start = PREFIX + header;
        let (tensors, found) = (parsed.data_len() as u64, length - start);
        if tensors != found {
            return Err(HeaderError::TensorBytes { tensors, found }.into());
        }
        Ok(Self {
            metadata: parsed.metadata().iter().flatten().map(owned).collect(),
            tensors: (parsed.tensors().into_iter())
                .map(|(name, info)| {
                    let (first, end) = info.data_offsets;
                    let entry = Entry {
                        dtype: info.dtype,
                        shape: info.shape.clone(),
                        place: first..end,
                    };
                    (name, entry)
                })
                .collect(),
            start,
        })
    }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}
