//! Adding to a zoo.

use std::path::Path;

use tensor_file::digest::sha256_hex;
use tensor_file::{SafetensorsWriter, atomic};

use super::{
    Checkpoint, ConceptRecord, Entry, RecordFile, VERSION, Zoo, check_finite, check_name, json,
    list, sort,
};
use crate::error::LayoutError;
use crate::{Error, NamedTensors};

/// What to do if a small copy holds another concept under a name.
const ADVICE: &str = "the copy is of another zoo or of an earlier one: write it to another folder, or delete the old copy";

/// How weights are stored.
#[derive(Clone, Copy)]
enum Width {
    /// 32-bit floats.
    Full,
    /// 16-bit floats.
    Half,
}

impl Zoo {
    /// Adds a concept with the weights of each of its checkpoints.
    ///
    /// # Errors
    /// Returns [`Error::ConceptName`] or [`Error::ConceptExists`] for the name, those of
    /// [`check_tensors`](crate::check_tensors) if the weights do not fit the layout, [`Error::Layout`] unless there is one
    /// set of weights for each checkpoint, [`Error::File`] for NaN and infinite weights and if a file cannot be written,
    /// and [`Error::Metric`] for NaN and infinite metrics.
    pub fn append(
        &mut self,
        record: &ConceptRecord,
        weights: &[NamedTensors],
    ) -> Result<(), Error> {
        self.append_as(record, weights, Width::Full)
    }

    fn append_as(
        &mut self,
        record: &ConceptRecord,
        weights: &[NamedTensors],
        width: Width,
    ) -> Result<(), Error> {
        check_name(&record.concept)?;
        let path = self.file(&record.concept, "json");
        if self.contains(&record.concept) || path.exists() {
            return Err(Error::ConceptExists {
                name: record.concept.clone(),
            });
        }
        if weights.len() != record.checkpoints.len() || weights.is_empty() {
            return Err(Error::Layout(LayoutError::CheckpointCount {
                concept: record.concept.clone(),
                checkpoints: record.checkpoints.len(),
                weights: weights.len(),
            }));
        }
        let metrics = record.checkpoints.iter().flat_map(|c| &c.metrics);
        if let Some((name, value)) = metrics.into_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Metric {
                concept: record.concept.clone(),
                name: name.clone(),
                value: *value,
            });
        }
        let bytes = self.encode_shard(&record.concept, weights, width)?;
        atomic::write(self.file(&record.concept, "safetensors"), &bytes)?;
        let file = record_file(record.clone(), &bytes);
        atomic::write(&path, &json(&path, "concept record", &file)?)?;
        list(file.record, &file.sha256, &mut self.entries);
        sort(&mut self.entries);
        Ok(())
    }

    /// The bytes of the shard of a concept with these checkpoints.
    fn encode_shard(
        &self,
        concept: &str,
        weights: &[NamedTensors],
        width: Width,
    ) -> Result<Vec<u8>, Error> {
        let shard = self.file(concept, "safetensors");
        let mut shard_file = SafetensorsWriter::new();
        for (index, weights) in weights.iter().enumerate() {
            crate::check_tensors(self.header.layout.groups(), weights)?;
            for (name, tensor) in weights {
                check_finite(&shard, name, &tensor.data)?;
                let stored = format!("{index}/{name}");
                match width {
                    Width::Full => shard_file.f32(&stored, &tensor.shape, &tensor.data)?,
                    Width::Half => shard_file.f16(&stored, &tensor.shape, &tensor.data)?,
                }
            }
        }
        Ok(shard_file.to_bytes()?)
    }

    /// Writes a small copy to `dir` for shipping: the last checkpoint of each concept, as 16-bit floats (half the size, about
    /// three decimal digits). The last checkpoint of a view ([`Zoo::filtered`]) is the last one in the view.
    ///
    /// Concepts that are there already stay, but must be those that would be written: their prompt, seed, recipe,
    /// checkpoint and weights. All of them are compared before the first new one is written, for which their shards are read.
    ///
    /// # Errors
    /// Those of [`Zoo::create`], [`Zoo::load`] and [`Zoo::append`], [`Error::ConceptConflict`] if `dir` holds another concept
    /// under a name, and [`Error::File`] for a value past 65504.
    pub fn export_small(&self, dir: impl AsRef<Path>) -> Result<Self, Error> {
        let mut small = Self::create(dir, &self.header.layout, &self.header.base_digest)?;
        let (there, new): (Vec<_>, Vec<_>) =
            (self.last_entries().into_iter()).partition(|entry| small.contains(&entry.concept));
        for entry in there {
            let (record, weights) = self.alone(entry)?;
            let shard = small.encode_shard(&entry.concept, &[weights], Width::Half)?;
            let source = self.file(&entry.concept, "json");
            small.check_same(&record_file(record, &shard), source, ADVICE)?;
        }
        for entry in new {
            let (record, weights) = self.alone(entry)?;
            small.append_as(&record, &[weights], Width::Half)?;
        }
        Ok(small)
    }

    /// The record and the weights of a concept that has no other checkpoint than this one.
    fn alone(&self, entry: &Entry) -> Result<(ConceptRecord, NamedTensors), Error> {
        let mut record = self.record(&entry.concept)?;
        // The entry's own: the record may have been replaced since it was listed. `load` then refuses the shard.
        record.checkpoints = vec![Checkpoint {
            epoch: entry.epoch,
            metrics: entry.metrics.clone(),
        }];
        Ok((record, self.load(entry)?))
    }
}

/// A record with the digest of its shard.
fn record_file(record: ConceptRecord, shard: &[u8]) -> RecordFile {
    RecordFile {
        version: VERSION,
        sha256: sha256_hex(shard),
        record,
    }
}
