//! Small files, with a limit on their size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::Error;

/// Reads a file of at most `limit` bytes; a larger one is refused before anything is allocated for it.
///
/// # Errors
/// Returns [`Error::TooLarge`] for a larger file, and [`Error::Io`] if the file cannot be read.
pub fn read_limited(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>, Error> {
    let path = path.as_ref();
    let too_large = |bytes| Error::TooLarge {
        path: path.to_owned(),
        bytes,
        limit,
    };
    let io = Error::io(path);
    let file = File::open(path).map_err(&io)?;
    let length = file.metadata().map_err(&io)?.len();
    if length > limit {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // It may grow while it is read.
    let mut file = file.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(&io)?;
    match bytes.len() as u64 {
        length if length > limit => Err(too_large(length)),
        _ => Ok(bytes),
    }
}
