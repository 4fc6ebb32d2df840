//! The header of a safetensors file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::ops::Range;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

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
        // The format disallows it, but the parser below takes the last of equal names.
        let Repeated(name) = serde_json::from_slice(&json).map_err(HeaderError::from)?;
        if let Some(name) = name {
            return Err(HeaderError::Duplicate { name }.into());
        }
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

/// The name of the metadata among those of the tensors.
const METADATA: &str = "__metadata__";

/// The first name that a JSON object gives twice, or that its metadata does.
struct Repeated(Option<String>);

impl<'de> Deserialize<'de> for Repeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Repeated;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Repeated, A::Error> {
        let (mut names, mut repeated) = (BTreeSet::new(), None);
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                let inner: Option<Repeated> = map.next_value()?;
                repeated = repeated.or(inner.and_then(|inner| inner.0));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if !names.insert(name.clone()) {
                repeated = repeated.or(Some(name));
            }
        }
        Ok(Repeated(repeated))
    }
}

fn owned((key, value): (&String, &String)) -> (String, String) {
    (key.clone(), value.clone())
}
