//! Small files from outside, with a limit before anything is allocated for them.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::Error;

/// No configuration of ours or of PEFT's comes near it.
const JSON_LIMIT: u64 = 1 << 20;

pub(crate) fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        source,
    }
}

/// Refuses a file of more than `limit` bytes.
pub(crate) fn check_size(path: &Path, limit: u64) -> Result<(), Error> {
    let size = std::fs::metadata(path)
        .map_err(|source| io(path, source))?
        .len();
    if size > limit {
        let why = format!("{size} bytes, where at most {limit} are expected");
        return Err(io(path, std::io::Error::other(why)));
    }
    Ok(())
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    check_size(path, JSON_LIMIT)?;
    let text = std::fs::read_to_string(path).map_err(|source| io(path, source))?;
    serde_json::from_str(&text).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })
}
