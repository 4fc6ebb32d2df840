//! Files written whole or not at all, locks, digests, JSON with limits.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Error;

/// The largest JSON or text file that is read, in bytes.
pub(crate) const MAX_TEXT_BYTES: u64 = 256 << 20;

pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}

pub(crate) fn create_dir(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(io("create the folder", path))
}

/// Writes to a hidden temporary name in the same folder and renames; creates the folder. The disk is not waited for:
/// readers compare digests or can make the file again.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    whole_file::write_unsynced(path, bytes).map_err(io("write", path))
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| Error::BadFile {
        path: path.to_owned(),
        message: format!("cannot be written as JSON: {error}"),
    })?;
    text.push(b'\n');
    write(path, &text)
}

/// The file's bytes; refuses one above `limit` before it allocates.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(io("open", path))?;
    let length = file.metadata().map_err(io("open", path))?.len();
    let too_long = || Error::BadFile {
        path: path.to_owned(),
        message: format!("is longer than {limit} bytes, the most that is read of such a file"),
    };
    if length > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(too_long());
    }
    Ok(bytes)
}

pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    String::from_utf8(read(path, MAX_TEXT_BYTES)?).map_err(|_| Error::BadFile {
        path: path.to_owned(),
        message: "is not UTF-8 text; convert it".to_owned(),
    })
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_slice(&read(path, MAX_TEXT_BYTES)?).map_err(|error| Error::BadFile {
        path: path.to_owned(),
        message: format!("is not the JSON that is expected: {error}"),
    })
}

/// An exclusive lock that ends with the value, or with the process however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held for its Drop")] File);

impl Lock {
    pub(crate) fn take(path: PathBuf) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            create_dir(folder)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
            Err(TryLockError::Error(source)) => Err(io("lock", &path)(source)),
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 over several parts, each with its length, so that no two lists of parts give the same input.
pub(crate) fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `image` as PNG bytes.
pub(crate) fn png(image: &image::RgbImage, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|source| Error::Encode {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes.into_inner())
}
