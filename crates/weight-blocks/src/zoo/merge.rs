//! Copying the concepts of another zoo.

use std::path::{Path, PathBuf};

use tensor_file::digest::sha256_hex;
use tensor_file::{TensorFile, atomic};

use super::{Entry, RecordFile, Zoo, list, sort};
use crate::Error;

/// What to do if two zoos hold different concepts under one name.
const ADVICE: &str =
    "merge zoos that were collected with the same arguments and build, or leave one of the two out";

/// The concepts that [`Zoo::merge_from`] went through, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Concepts that were copied.
    pub added: Vec<String>,
    /// Concepts that both zoos had already.
    pub present: Vec<String>,
}

impl Zoo {
    /// Copies the concepts of `other` that this zoo does not have, byte for byte, and calls `progress` with the name of
    /// each concept of `other` once this zoo has it. This joins zoos of the same base that were collected on separate
    /// machines: the result is the zoo that a single process would have collected.
    ///
    /// A concept in both zoos must be the same: its weights (by the recorded digest), prompt, seed, recipe and checkpoints.
    /// All are compared before the first copy, so that a refused merge changes nothing. Each shard's digest and tensors
    /// are checked, one shard is in memory at a time, and files are renamed into place, the record last: if a merge is
    /// killed, run it again, and it goes on after the concepts that it had copied. Only one process at a time may merge
    /// into a zoo. Concepts that a view of `other` leaves out ([`Zoo::filtered`]) are not copied.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use weight_blocks::*;
    ///
    /// # let root = tempfile::tempdir()?;
    /// # let spec = TensorSpec { name: "a".into(), shape: vec![2], role: TensorRole::NormBias };
    /// # let group = LayerGroup { name: "l".into(), kind: LayerKind::Linear, tensors: vec![spec] };
    /// # let record = |concept: &str| ConceptRecord {
    /// #     concept: concept.into(),
    /// #     prompt: concept.into(),
    /// #     seed: 0,
    /// #     recipe: serde_json::Value::Null,
    /// #     checkpoints: vec![Checkpoint { epoch: 12, metrics: BTreeMap::new() }],
    /// # };
    /// # let weights = BTreeMap::from([("a".into(), HostTensor::new(vec![2], vec![1.0, 2.0])?)]);
    /// let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 4)?;
    /// let mut zoo = Zoo::create(root.path().join("zoo"), &layout, "digest of the base")?;
    /// for (machine, concept) in ["charcoal-sketch", "red-fog"].into_iter().enumerate() {
    ///     let dir = root.path().join(format!("part-{machine}"));
    ///     let mut part = Zoo::create(dir, &layout, "digest of the base")?;
    ///     part.append(&record(concept), &[weights.clone()])?;
    ///     assert_eq!(zoo.merge_from(&part, |_| {})?.added, [concept]);
    ///     assert_eq!(zoo.merge_from(&part, |_| {})?.present, [concept]);
    /// }
    /// assert_eq!(zoo.entries().len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BaseMismatch`] or [`Error::LayoutMismatch`], naming `other`;
    /// [`Error::ConceptConflict`]; [`Error::Digest`], [`Error::File`] or weights that do not
    /// fit the layout for a damaged shard; [`Error::Json`], [`Error::Version`],
    /// [`Error::RecordName`] as [`Zoo::open`].
    pub fn merge_from(
        &mut self,
        other: &Self,
        mut progress: impl FnMut(&str),
    ) -> Result<MergeReport, Error> {
        other.check(&self.header.layout, &self.header.base_digest)?;
        let mut merged = MergeReport::default();
        for entries in other.entries.chunk_by(|a, b| a.concept == b.concept) {
            let Some(Entry { concept, .. }) = entries.first() else {
                continue;
            };
            if self.is_recorded(concept)? {
                self.compare(other, concept)?;
                merged.present.push(concept.clone());
            } else {
                merged.added.push(concept.clone());
            }
        }
        for concept in &merged.present {
            progress(concept);
        }
        let copied = merged.added.iter().try_for_each(|concept| {
            self.copy(other, concept)?;
            progress(concept);
            Ok(())
        });
        // Also after a failure: the concepts copied until then are in the zoo.
        sort(&mut self.entries);
        copied.map(|()| merged)
    }

    /// Whether the folder now holds a concept of that name. Checks one file, while [`Zoo::refresh`] reads all records.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the folder cannot be read.
    pub fn is_recorded(&self, concept: &str) -> Result<bool, Error> {
        let path = self.file(concept, "json");
        (path.try_exists()).map_err(|source| Error::io(&path, source))
    }

    fn compare(&self, other: &Self, concept: &str) -> Result<(), Error> {
        let (theirs, _) = other.record_file(concept)?;
        self.check_same(&theirs, other.file(concept, "json"), ADVICE)
    }

    /// Checks that the concept here is that of the record `theirs`, which comes from the file `other`; `advice` says what
    /// to do if it is not.
    pub(super) fn check_same(
        &self,
        theirs: &RecordFile,
        other: PathBuf,
        advice: &'static str,
    ) -> Result<(), Error> {
        let concept = &theirs.record.concept;
        let (mine, _) = self.record_file(concept)?;
        let (a, b) = (&mine.record, &theirs.record);
        let parts = [
            ("prompt", a.prompt == b.prompt),
            ("seed", a.seed == b.seed),
            ("recipe", a.recipe == b.recipe),
            ("checkpoints", a.checkpoints == b.checkpoints),
            ("weights", mine.sha256 == theirs.sha256),
        ];
        let differing: Vec<&str> = (parts.iter())
            .filter_map(|(part, same)| (!same).then_some(*part))
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        Err(Error::ConceptConflict {
            name: concept.clone(),
            path: self.file(concept, "json"),
            other,
            differing: differing.join(", "),
            advice,
        })
    }

    fn copy(&mut self, other: &Self, concept: &str) -> Result<(), Error> {
        let (RecordFile { sha256, record, .. }, json) = other.record_file(concept)?;
        let source = other.file(concept, "safetensors");
        let shard = read(&source)?;
        if sha256_hex(&shard) != sha256 {
            return Err(Error::Digest {
                path: source,
                record: other.file(concept, "json"),
            });
        }
        let tensors = TensorFile::from_bytes(&source, &shard[..])?.read_all()?;
        for checkpoint in 0..record.checkpoints.len() {
            self.checkpoint(&tensors, checkpoint)?;
        }
        atomic::write(self.file(concept, "safetensors"), &shard)?;
        atomic::write(self.file(concept, "json"), &json)?;
        list(record, &sha256, &mut self.entries);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::io(path, source))
}
