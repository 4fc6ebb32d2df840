//! The pickles in a zip archive.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::{PytorchError, scan};
use crate::Error;

/// Bytes that a part may have whatever the file's size.
const ALWAYS_ALLOWED: u64 = 1 << 20;
/// Bytes that a part may have beyond that, for each byte of the file.
const MAX_COMPRESSION: u64 = 8;

/// Counts the objects of all pickles, up to `limit`; refuses parts that are compressed too well.
pub(super) fn count(path: &Path, bytes: u64, limit: u64) -> Result<u64, Error> {
    let damaged = |error| PytorchError::Archive(error).at(path);
    let file = File::open(path).map_err(Error::io(path))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let largest = ALWAYS_ALLOWED.saturating_add(bytes.saturating_mul(MAX_COMPRESSION));
    let mut objects = 0u64;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(damaged)?;
        if part.size() > largest {
            let part = part.size();
            return Err(PytorchError::Compression { part, bytes }.at(path));
        }
        if part.name_raw().ends_with(b"data.pkl") {
            // Its size above is only what the archive claims; no more than that is unpacked.
            let found = scan::count(BufReader::new(part.take(largest)), limit);
            // The reader reports a part that cannot be unpacked.
            objects = objects.saturating_add(found.unwrap_or(0));
        }
    }
    Ok(objects)
}
