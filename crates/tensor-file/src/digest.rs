//! SHA-256 digests.
//!
//! ```
//! use tensor_file::digest::{Sha256, sha256_hex};
//!
//! let mut digest = Sha256::new();
//! digest.update(b"ab");
//! digest.update(b"c");
//! assert_eq!(digest.finish_hex(), sha256_hex(b"abc"));
//! ```

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::Digest;

use crate::Error;

/// Bytes that are read from a stream at once.
const CHUNK: usize = 1 << 16;

/// The SHA-256 of bytes that come piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// The digest of no bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Adds the number of bytes (64 bits, little-endian), then the bytes, so that no two lists of parts give the same
    /// stream.
    pub fn update_part(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds all that a reader gives, and returns how many bytes that was.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn update_reader(&mut self, mut reader: impl Read) -> std::io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut length = 0;
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(length),
                Ok(read) => {
                    self.0.update(&chunk[..read]);
                    length += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// The digest in lower-case hex.
    pub fn finish_hex(self) -> String {
        hex(&self.finish())
    }
}

/// The SHA-256 of `bytes` in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// The SHA-256 of a file's content in lower-case hex; the file may be of any size.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be read.
pub fn file_sha256(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let mut digest = Sha256::new();
    let file = File::open(path).map_err(Error::io(path))?;
    digest.update_reader(file).map_err(Error::io(path))?;
    Ok(digest.finish_hex())
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
