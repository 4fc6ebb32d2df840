//! The weights of a zoo's entries.

use std::collections::BTreeMap;

use tensor_file::TensorFile;
use tensor_file::digest::sha256_hex;

use super::{Entry, Zoo};
use crate::{Error, HostTensor, NamedTensors};

impl Zoo {
    /// The weights of an entry; the shard's digest is checked.
    ///
    /// # Errors
    /// Returns [`Error::File`] or [`Error::Digest`] for a damaged shard, and those of
    /// [`check_tensors`](crate::check_tensors) if the weights do not fit the layout.
    pub fn load(&self, entry: &Entry) -> Result<NamedTensors, Error> {
        self.checkpoint(&self.shard(entry)?, entry.checkpoint)
    }

    /// Calls `visit` with the N·b values of each entry in order ([`Layout::encode`](crate::Layout::encode)). Each shard is
    /// read once and its digest checked, and only one is in memory at a time.
    ///
    /// # Errors
    /// Those of [`Zoo::load`], and those of `visit`.
    pub fn for_each_encoded<E: From<Error>>(
        &self,
        mut visit: impl FnMut(&Entry, Vec<f32>) -> Result<(), E>,
    ) -> Result<(), E> {
        for entries in self.entries.chunk_by(|a, b| a.concept == b.concept) {
            let Some(first) = entries.first() else {
                continue;
            };
            let tensors = self.shard(first)?;
            for entry in entries {
                let weights = self.checkpoint(&tensors, entry.checkpoint)?;
                visit(entry, self.header.layout.encode(&weights)?)?;
            }
        }
        Ok(())
    }

    /// All tensors of an entry's shard.
    fn shard(&self, entry: &Entry) -> Result<NamedTensors, Error> {
        let path = self.file(&entry.concept, "safetensors");
        let bytes = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
        if sha256_hex(&bytes) != entry.sha256 {
            return Err(Error::Digest {
                path,
                record: self.file(&entry.concept, "json"),
            });
        }
        Ok(TensorFile::from_bytes(&path, bytes)?.read_all()?)
    }

    pub(super) fn checkpoint(
        &self,
        shard: &NamedTensors,
        checkpoint: usize,
    ) -> Result<NamedTensors, Error> {
        let prefix = format!("{checkpoint}/");
        let weights: BTreeMap<String, HostTensor> = (shard.iter())
            .filter_map(|(name, tensor)| {
                let name = name.strip_prefix(&prefix)?;
                Some((name.to_owned(), tensor.clone()))
            })
            .collect();
        crate::check_tensors(self.header.layout.groups(), &weights)?;
        Ok(weights)
    }
}
