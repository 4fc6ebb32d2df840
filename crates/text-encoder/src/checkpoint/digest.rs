//! The identity of a checkpoint.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// SHA-256 over everything that decides what an encoder computes: weights, configuration, tokenizer, options.
///
/// Each part goes in with its name and length, so that no two different sets of parts give the same stream.
#[derive(Default)]
pub(crate) struct CheckpointDigest(Sha256);

impl CheckpointDigest {
    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.head(name, bytes.len() as u64);
        self.0.update(bytes);
    }

    /// Reads a file of any size piece by piece.
    pub(crate) fn file(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        self.head(name, file.metadata().map_err(io)?.len());
        self.pieces(&mut file).map_err(io)
    }

    /// The plain SHA-256 of a file, lower-case hex.
    #[cfg(feature = "hub")]
    pub(crate) fn of_file(path: &Path) -> std::io::Result<String> {
        let mut digest = Self::default();
        digest.pieces(&mut File::open(path)?)?;
        Ok(digest.finish())
    }

    fn pieces(&mut self, file: &mut File) -> std::io::Result<()> {
        let mut piece = vec![0u8; 1 << 20];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(()),
                n => self.0.update(&piece[..n]),
            }
        }
    }

    /// Lower-case hex.
    pub(crate) fn finish(self) -> String {
        let bytes = self.0.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn head(&mut self, name: &str, length: u64) {
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(length.to_le_bytes());
    }
}
