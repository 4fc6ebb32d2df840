//! Trained weights of many concepts in a folder.

mod append;
mod create;
mod merge;
mod read;

pub use merge::MergeReport;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use tensor_file::decode_text;
use tensor_file::digest::Sha256;

use crate::{Error, Layout};

const VERSION: u32 = 1;
const HEADER: &str = "zoo.json";
const RECORDS: &str = "concepts";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    base_digest: String,
    layout: Layout,
}

/// One saved state of a concept's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Epochs trained.
    pub epoch: usize,
    /// Metrics measured at that epoch, by name.
    pub metrics: BTreeMap<String, f64>,
}

/// A concept as the zoo records it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConceptRecord {
    /// Its name, which is also that of its files: up to 120 bytes of letters of any script in lower case, digits, `-`, `_`
    /// and `.`, beginning with a letter or digit.
    pub concept: String,
    /// The text that describes it.
    pub prompt: String,
    /// Seed of its training.
    pub seed: u64,
    /// The settings of its training, for people to read.
    pub recipe: serde_json::Value,
    /// Its saved states, in the order of training.
    pub checkpoints: Vec<Checkpoint>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordFile {
    version: u32,
    /// SHA-256 of the shard.
    sha256: String,
    #[serde(flatten)]
    record: ConceptRecord,
}

/// One checkpoint of one concept: a training record's w, and its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The concept's name.
    pub concept: String,
    /// Its text.
    pub prompt: String,
    /// Position among the concept's checkpoints, from 0.
    pub checkpoint: usize,
    /// Epochs trained.
    pub epoch: usize,
    /// Metrics measured then, by name.
    pub metrics: BTreeMap<String, f64>,
    sha256: String,
}

/// A folder of trained weights: `zoo.json` (version, base, layout) and, per concept,
/// `concepts/NAME.json` beside the shard `concepts/NAME.safetensors`.
///
/// Append-only. A concept is in the zoo once its record is. The record is renamed into place after the shard, so the zoo
/// is complete even if a process is killed at any moment. Different processes may append different concepts at the same
/// time; readers see the state at [`Zoo::open`] or [`Zoo::refresh`]. Concepts are listed by name, so the order in which
/// they were collected does not matter.
///
/// ```
/// use std::collections::BTreeMap;
/// use weight_blocks::*;
///
/// # let dir = tempfile::tempdir()?;
/// # let spec = TensorSpec { name: "a".into(), shape: vec![2], role: TensorRole::NormBias };
/// # let group = LayerGroup { name: "l".into(), kind: LayerKind::Linear, tensors: vec![spec] };
/// let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 4)?;
/// let mut zoo = Zoo::create(dir.path(), &layout, "digest of the base")?;
/// let record = ConceptRecord {
///     concept: "charcoal-sketch".into(),
///     prompt: "charcoal sketch".into(),
///     seed: 0,
///     recipe: serde_json::Value::Null,
///     checkpoints: vec![Checkpoint { epoch: 12, metrics: BTreeMap::new() }],
/// };
/// let weights = BTreeMap::from([("a".into(), HostTensor::new(vec![2], vec![1.0, 2.0])?)]);
/// zoo.append(&record, &[weights.clone()])?;
/// let entry = &zoo.entries()[0];
/// assert_eq!(zoo.load(entry)?, weights);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Zoo {
    dir: PathBuf,
    header: Header,
    entries: Vec<Entry>,
}

impl Zoo {
    /// Reads the manifest and the records of all concepts; shards are read by [`Zoo::load`].
    ///
    /// # Errors
    /// Returns [`Error::NoZoo`], [`Error::File`], [`Error::Json`], [`Error::Version`] or [`Error::RecordName`], naming the
    /// file.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let path = dir.join(HEADER);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoZoo {
                    path: dir.to_owned(),
                });
            }
            other => other.map_err(|source| Error::io(&path, source))?,
        };
        let header: Header = versioned(&path, "zoo manifest", &bytes)?;
        let mut zoo = Self {
            dir: dir.to_owned(),
            header,
            entries: Vec::new(),
        };
        zoo.refresh()?;
        Ok(zoo)
    }

    /// Reads the records again, to see the concepts that other processes have appended.
    ///
    /// # Errors
    /// Those of [`Zoo::open`].
    pub fn refresh(&mut self) -> Result<(), Error> {
        let dir = self.dir.join(RECORDS);
        let mut paths = Vec::new();
        match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::io(&dir, source)),
            Ok(files) => {
                for file in files {
                    let path = file.map_err(|source| Error::io(&dir, source))?.path();
                    if path.extension().is_some_and(|e| e == "json") {
                        paths.push(path);
                    }
                }
            }
        }
        let mut entries = Vec::new();
        for path in paths {
            let (file, _) = read_record(&path)?;
            list(file.record, &file.sha256, &mut entries);
        }
        sort(&mut entries);
        self.entries = entries;
        Ok(())
    }

    /// Checks that the zoo was made for this base and layout.
    ///
    /// # Errors
    /// Returns [`Error::BaseMismatch`] or [`Error::LayoutMismatch`].
    pub fn check(&self, layout: &Layout, base_digest: &str) -> Result<(), Error> {
        if self.header.base_digest != base_digest {
            return Err(Error::BaseMismatch {
                path: self.dir.clone(),
                expected: base_digest.to_owned(),
                found: self.header.base_digest.clone(),
            });
        }
        let name = |layout: &Layout| format!("{} ({})", layout.name(), &layout.digest()[..12]);
        if self.header.layout.digest() != layout.digest() {
            return Err(Error::LayoutMismatch {
                path: self.dir.clone(),
                expected: name(layout),
                found: name(&self.header.layout),
            });
        }
        Ok(())
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The layout that cuts its weights into blocks.
    pub fn layout(&self) -> &Layout {
        &self.header.layout
    }

    /// Digest of the frozen base that its adapters belong to.
    pub fn base_digest(&self) -> &str {
        &self.header.base_digest
    }

    /// SHA-256 of all [entries](Zoo::entries), which tells one zoo, or one [part](Zoo::filtered) of it, from another. No
    /// weights are read.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for entry in &self.entries {
            for part in [&entry.concept, &entry.prompt, &entry.sha256] {
                digest.update_part(part);
            }
            digest.update((entry.checkpoint as u64).to_le_bytes());
        }
        digest.finish_hex()
    }

    /// All checkpoints of all concepts, ordered by concept name, then by training.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The last checkpoint of each concept, by name.
    pub fn last_entries(&self) -> Vec<&Entry> {
        let mut last: BTreeMap<&str, &Entry> = BTreeMap::new();
        for entry in &self.entries {
            last.insert(&entry.concept, entry);
        }
        last.into_values().collect()
    }

    /// A view of the entries that `keep` accepts, to train on some concepts and hold others out. The folder is the same;
    /// [`Zoo::refresh`] brings all entries back.
    pub fn filtered(&self, mut keep: impl FnMut(&Entry) -> bool) -> Self {
        Self {
            dir: self.dir.clone(),
            header: self.header.clone(),
            entries: (self.entries.iter())
                .filter(|entry| keep(entry))
                .cloned()
                .collect(),
        }
    }

    /// Whether there is a concept of that name.
    pub fn contains(&self, concept: &str) -> bool {
        self.entries.iter().any(|entry| entry.concept == concept)
    }

    /// A concept's record as it is on disk now.
    ///
    /// # Errors
    /// Those of [`Zoo::open`].
    pub fn record(&self, concept: &str) -> Result<ConceptRecord, Error> {
        Ok(self.record_file(concept)?.0.record)
    }

    /// A concept's record as it is on disk now, and its bytes.
    fn record_file(&self, concept: &str) -> Result<(RecordFile, Vec<u8>), Error> {
        read_record(&self.file(concept, "json"))
    }

    fn file(&self, concept: &str, extension: &str) -> PathBuf {
        file(&self.dir, concept, extension)
    }
}

fn file(zoo: &Path, concept: &str, extension: &str) -> PathBuf {
    zoo.join(RECORDS).join(format!("{concept}.{extension}"))
}

/// The file of a concept's weights.
pub(crate) fn shard_path(zoo: &Path, concept: &str) -> PathBuf {
    file(zoo, concept, "safetensors")
}

/// Reads a record, and checks that it has its file's name.
fn read_record(path: &Path) -> Result<(RecordFile, Vec<u8>), Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    let file: RecordFile = versioned(path, "concept record", &bytes)?;
    let concept = &file.record.concept;
    check_name(concept)?;
    if path.file_stem().is_none_or(|stem| stem != concept.as_str()) {
        return Err(Error::RecordName {
            path: path.to_owned(),
            name: concept.clone(),
        });
    }
    Ok((file, bytes))
}

fn list(record: ConceptRecord, sha256: &str, entries: &mut Vec<Entry>) {
    for (index, checkpoint) in record.checkpoints.into_iter().enumerate() {
        entries.push(Entry {
            concept: record.concept.clone(),
            prompt: record.prompt.clone(),
            checkpoint: index,
            epoch: checkpoint.epoch,
            metrics: checkpoint.metrics,
            sha256: sha256.to_owned(),
        });
    }
}

/// By concept and not by file name: `a-b.json` comes before `a.json`.
fn sort(entries: &mut [Entry]) {
    entries.sort_by(|a, b| (&a.concept, a.checkpoint).cmp(&(&b.concept, b.checkpoint)));
}

/// Refuses the first value that is NaN or infinite; `path` is the file that it is of or for.
pub(crate) fn check_finite(path: &Path, name: &str, data: &[f32]) -> Result<(), Error> {
    match data.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::File(tensor_file::Error::NonFinite {
            path: path.to_owned(),
            name: name.to_owned(),
            index,
            value: data[index],
        })),
    }
}

fn json(path: &Path, what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json {
        path: path.to_owned(),
        what,
        source,
    })?;
    text.push(b'\n');
    Ok(text)
}

/// Parses a file with a `version`. It is checked first, so that another version is reported as such.
fn versioned<T: for<'de> Deserialize<'de>>(
    path: &Path,
    what: &'static str,
    bytes: &[u8],
) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let invalid = |source| Error::Json {
        path: path.to_owned(),
        what,
        source,
    };
    let text = decode_text(bytes, path)?;
    let Version { version } = serde_json::from_str(text).map_err(invalid)?;
    if version != VERSION {
        return Err(Error::Version {
            path: path.to_owned(),
            found: version,
            expected: VERSION,
        });
    }
    serde_json::from_str(text).map_err(invalid)
}

fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_alphanumeric() && c.to_lowercase().eq([c]);
    let fits = (1..=120).contains(&name.len())
        && name.chars().all(|c| plain(c) || "-_.".contains(c))
        && name.chars().next().is_some_and(plain);
    if fits {
        Ok(())
    } else {
        Err(Error::ConceptName {
            name: name.to_owned(),
        })
    }
}
