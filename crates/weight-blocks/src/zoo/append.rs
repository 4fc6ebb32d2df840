//! Adding to a zoo.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;

use super::{ConceptRecord, RecordFile, VERSION, Zoo, check_name, digest, json, list, sort};
use crate::files::{check_finite, to_bytes};
use crate::{Error, NamedTensors, write_atomic};

impl Zoo {
    /// Adds a concept with the weights of each of its checkpoints.
    ///
    /// # Errors
    /// [`Error::ConceptName`], [`Error::ConceptExists`], weights that do not fit the layout,
    /// [`Error::Layout`] for another number of weights than checkpoints (or none),
    /// [`Error::NonFinite`] and [`Error::Metric`] for what could not be read back, [`Error::Io`].
    pub fn append(
        &mut self,
        record: &ConceptRecord,
        weights: &[NamedTensors],
    ) -> Result<(), Error> {
        self.append_as(record, weights, Dtype::F32)
    }

    /// [`Zoo::append`] with the weights stored as 16-bit floats: half the size, about three decimal
    /// digits.
    ///
    /// # Errors
    /// As [`Zoo::append`]; [`Error::HalfRange`] for a value past 65504.
    pub fn append_half(
        &mut self,
        record: &ConceptRecord,
        weights: &[NamedTensors],
    ) -> Result<(), Error> {
        self.append_as(record, weights, Dtype::F16)
    }

    fn append_as(
        &mut self,
        record: &ConceptRecord,
        weights: &[NamedTensors],
        dtype: Dtype,
    ) -> Result<(), Error> {
        check_name(&record.concept)?;
        let path = self.file(&record.concept, "json");
        if self.contains(&record.concept) || path.exists() {
            return Err(Error::ConceptExists {
                name: record.concept.clone(),
            });
        }
        if weights.len() != record.checkpoints.len() || weights.is_empty() {
            return Err(Error::Layout {
                why: format!(
                    "concept `{}` has {} checkpoints but {} sets of weights",
                    record.concept,
                    record.checkpoints.len(),
                    weights.len()
                ),
            });
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
        let mut tensors = NamedTensors::new();
        for (index, weights) in weights.iter().enumerate() {
            crate::check_tensors(self.header.layout.groups(), weights)?;
            for (name, tensor) in weights {
                check_finite(&shard, name, &tensor.data)?;
                if dtype == Dtype::F16 {
                    check_half(name, &tensor.data)?;
                }
                tensors.insert(format!("{index}/{name}"), tensor.clone());
            }
        }
        let bytes = to_bytes(&shard, &tensors, &BTreeMap::new(), dtype)?;
        write_atomic(&shard, &bytes)?;
        let sha256 = digest(&bytes);
        let file = RecordFile {
            version: VERSION,
            sha256: sha256.clone(),
            record: record.clone(),
        };
        write_atomic(&path, &json(&path, "concept record", &file)?)?;
        list(record.clone(), &sha256, &mut self.entries);
        sort(&mut self.entries);
        Ok(())
    }

    /// Writes a small copy for shipping to `dir`: the last checkpoint of each concept, as 16-bit
    /// floats. Concepts that are there already stay.
    ///
    /// # Errors
    /// As [`Zoo::create`], [`Zoo::load`] and [`Zoo::append`].
    pub fn export_small(&self, dir: &Path) -> Result<Self, Error> {
        let mut small = Self::create(dir, &self.header.layout, &self.header.base_digest)?;
        for entry in self.last_entries() {
            if small.contains(&entry.concept) {
                continue;
            }
            let mut record = self.record_file(&entry.concept)?.0.record;
            record.checkpoints.drain(..entry.checkpoint);
            small.append_as(&record, &[self.load(entry)?], Dtype::F16)?;
        }
        Ok(small)
    }
}

fn check_half(name: &str, data: &[f32]) -> Result<(), Error> {
    let past = |v: &f32| !half::f16::from_f32(*v).is_finite();
    match data.iter().position(past) {
        None => Ok(()),
        Some(index) => Err(Error::HalfRange {
            name: name.to_owned(),
            index,
            value: data[index],
        }),
    }
}
