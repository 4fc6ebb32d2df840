//! Adding to a zoo.

use std::path::Path;

use tensor_file::digest::sha256_hex;
use tensor_file::{SafetensorsWriter, atomic};

use super::{ConceptRecord, RecordFile, VERSION, Zoo, check_finite, check_name, json, list, sort};
use crate::error::LayoutError;
use crate::{Error, NamedTensors};

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
        let shard = self.file(&record.concept, "safetensors");
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
        let bytes = shard_file.to_bytes()?;
        atomic::write(&shard, &bytes)?;
        let sha256 = sha256_hex(&bytes);
        let file = RecordFile {
            version: VERSION,
            sha256: sha256.clone(),
            record: record.clone(),
        };
        atomic::write(&path, &json(&path, "concept record", &file)?)?;
        list(record.clone(), &sha256, &mut self.entries);
        sort(&mut self.entries);
        Ok(())
    }

    /// Writes a small copy to `dir` for shipping: the last checkpoint of each concept, as 16-bit floats (half the size, about
    /// three decimal digits). Concepts that are already there are kept.
    ///
    /// # Errors
    /// Those of [`Zoo::create`], [`Zoo::load`] and [`Zoo::append`], and [`Error::File`] for a value past 65504.
    pub fn export_small(&self, dir: &Path) -> Result<Self, Error> {
        let mut small = Self::create(dir, &self.header.layout, &self.header.base_digest)?;
        for entry in self.last_entries() {
            if small.contains(&entry.concept) {
                continue;
            }
            let mut record = self.record(&entry.concept)?;
            record.checkpoints.drain(..entry.checkpoint);
            small.append_as(&record, &[self.load(entry)?], Width::Half)?;
        }
        Ok(small)
    }
}
