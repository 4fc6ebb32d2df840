//! The pickle in a zip archive.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use crate::{Error, scan};

/// Bytes that a part may have whatever the file's size.
const PLAIN: u64 = 1 << 20;
const MOST_PACKED: u64 = 8;

/// The objects of all its pickles, up to `most`; refuses parts that were packed too well.
pub(crate) fn count(path: &Path, length: u64, most: u64) -> Result<u64, Error> {
    let damaged = |error: zip::result::ZipError| Error::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let largest = PLAIN.saturating_add(length.saturating_mul(MOST_PACKED));
    let mut objects = 0u64;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(damaged)?;
        if part.size() > largest {
            return Err(Error::Limit {
                path: path.to_owned(),
                why: format!(
                    "a part of {} bytes packed into a file of {length}",
                    part.size()
                ),
            });
        }
        if part.name_raw().ends_with(b"data.pkl") {
            // Its size above is the archive's word; no more than that is looked at.
            let found = scan::count(BufReader::new(part.take(largest)), most);
            // A part that cannot be unpacked is told by the reader.
            objects = objects.saturating_add(found.unwrap_or(0));
        }
    }
    Ok(objects)
}
