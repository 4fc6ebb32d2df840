//! Small files next to weights.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tensor_file::{atomic, decode_text, read_limited};

use crate::error::Error;

/// No configuration of this crate or of PEFT comes near it.
pub(crate) const JSON_LIMIT: u64 = 1 << 20;

fn size(path: &Path) -> Result<u64, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| io(path, source))?;
    Ok(metadata.len())
}

/// Refuses a file of more than `limit` bytes before anything is allocated for it.
pub(crate) fn check_size(path: &Path, limit: u64) -> Result<(), Error> {
    let bytes = size(path)?;
    if bytes <= limit {
        return Ok(());
    }
    let path = path.to_owned();
    Err(tensor_file::Error::TooLarge { path, bytes, limit }.into())
}

/// Refuses a file of weights that cannot hold `values` values, at two bytes a value or more: a few numbers in a configuration
/// must not make this process allocate gigabytes that no file holds.
pub(crate) fn check_holds(path: &Path, values: usize) -> Result<(), Error> {
    let (bytes, values) = (size(path)?, values as u64);
    if values <= bytes / 2 {
        return Ok(());
    }
    Err(Error::TooFewBytes {
        path: path.to_owned(),
        bytes,
        values,
    })
}

pub(crate) fn create_dir(dir: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(|source| io(dir, source))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = read_limited(path, JSON_LIMIT)?;
    serde_json::from_str(decode_text(&bytes, path)?).map_err(|source| json(path, source))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|source| json(path, source))?;
    Ok(atomic::write(path, text.as_bytes())?)
}

fn io(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    tensor_file::Error::Io { path, source }.into()
}

fn json(path: &Path, source: serde_json::Error) -> Error {
    Error::Json {
        path: path.to_owned(),
        source,
    }
}
