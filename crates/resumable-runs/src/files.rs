use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tensor_file::{atomic, read_limited};

use crate::{Error, io_error};

/// The largest JSON or text file that is read, in bytes.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// Creates the folder and those above it.
///
/// # Errors
/// Returns [`Error::Io`] if the folder cannot be created.
pub fn create_dir(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(io_error("create the folder", path))
}

/// Writes to a hidden temporary file in the same folder and renames it; creates the folder. It does not wait for the
/// disk, because readers of these files compare digests or can make the file again.
///
/// # Errors
/// Returns [`Error::WholeFile`] if the file cannot be written; `path` is then unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(atomic::write_unsynced(path, bytes)?)
}

/// [`write()`] of `value` as indented JSON.
///
/// # Errors
/// Returns [`Error::Json`] if the value has no JSON form, and the errors of [`write()`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| json(path, source))?;
    text.push(b'\n');
    write(path, &text)
}

/// Removes the temporary files that killed processes left in `folder`.
pub fn remove_abandoned(folder: &Path) {
    atomic::remove_abandoned(folder);
}

/// The file's bytes. A file longer than `limit` bytes is refused before its content is read.
///
/// # Errors
/// Returns [`Error::WholeFile`] if the file cannot be read or is longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    Ok(read_limited(path, limit)?)
}

/// The text of a file of up to 256 MiB.
///
/// # Errors
/// Returns the errors of [`read`], and [`Error::NotUtf8`].
pub fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path, MAX_TEXT_BYTES)?).map_err(|_| Error::NotUtf8 {
        path: path.to_owned(),
    })
}

/// The value in a JSON file of up to 256 MiB.
///
/// # Errors
/// Returns the errors of [`read`], and [`Error::Json`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read(path, MAX_TEXT_BYTES)?).map_err(|source| json(path, source))
}

fn json(path: &Path, source: serde_json::Error) -> Error {
    Error::Json {
        path: path.to_owned(),
        source,
    }
}
