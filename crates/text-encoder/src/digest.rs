//! The identity of a checkpoint.

use std::fs::File;
use std::path::Path;

use tensor_file::digest::Sha256;

use crate::Error;
use crate::files::io;

/// SHA-256 over everything that decides what an encoder computes: weights, configuration, tokenizer, options.
///
/// Each part goes in with its name and length, so that no two different sets of parts give the same stream.
#[derive(Default)]
pub(crate) struct CheckpointDigest(Sha256);

impl CheckpointDigest {
    pub(crate) fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.0.update_part(name);
        self.0.update_part(bytes);
    }

    /// Reads a file of any size piece by piece.
    pub(crate) fn file(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        let file = File::open(path).map_err(|source| io(path, source))?;
        let length = file.metadata().map_err(|source| io(path, source))?.len();
        self.0.update_part(name);
        self.0.update(length.to_le_bytes());
        let read = self.0.update_reader(file);
        read.map(drop).map_err(|source| io(path, source))
    }

    /// Lower-case hex.
    pub(crate) fn finish(self) -> String {
        self.0.finish_hex()
    }
}
