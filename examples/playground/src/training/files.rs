//! A training's folder: `training.json`, `pairs/`, `pictures/`, `curves.json`, a state per method, the adapter, the report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::{Pair, write_pairs};
use denoised_weights::run::{write, write_json};
use denoised_weights::{Error, Preset};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::progress::{Curves, State};
use super::run::Run;
use crate::setup::Setup;

/// PNG files by column.
pub(super) type Pictures = BTreeMap<String, Vec<Vec<u8>>>;

/// The columns of pictures: photographs, their targets, and what each method makes of them.
pub(super) const COLUMNS: [&str; 4] = ["input", "target", "auto", "zero"];

/// What a training is of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) prompt: String,
    pub(crate) epochs: usize,
    /// Whether E²GAN's start is trained beside the predicted one.
    pub(crate) rival: bool,
    pub(crate) pairs: usize,
    pub(crate) seed: u64,
    /// The preset of the base, of [`Preset::name`].
    #[serde(default = "compact")]
    pub(crate) preset: String,
    /// The models and the device at the beginning.
    #[serde(default)]
    pub(crate) setup: Setup,
}

fn compact() -> String {
    Preset::Compact.name().to_owned()
}

/// `training.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) spec: Spec,
    pub(super) state: State,
    pub(super) error: Option<String>,
}

/// The files of one training. Every path is made from its number.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) dir: PathBuf,
}

impl Files {
    fn new(root: &Path, id: u32) -> Self {
        Self {
            dir: root.join(format!("training-{id:04}")),
        }
    }

    pub(super) fn pairs(&self) -> PathBuf {
        self.dir.join("pairs")
    }

    pub(super) fn method(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn adapter(&self) -> PathBuf {
        self.dir.join("adapter.safetensors")
    }

    pub(super) fn report(&self) -> PathBuf {
        self.dir.join("report.json")
    }

    fn record(&self) -> PathBuf {
        self.dir.join("training.json")
    }

    fn curves(&self) -> PathBuf {
        self.dir.join("curves.json")
    }

    /// A picture of the page, as PNG.
    fn picture(&self, column: &str, index: usize) -> PathBuf {
        self.dir
            .join("pictures")
            .join(format!("{column}-{index}.png"))
    }

    pub(super) fn save_pictures(&self, column: &str, pictures: &[Vec<u8>]) -> Result<(), Error> {
        let mut numbered = pictures.iter().enumerate();
        numbered.try_for_each(|(index, png)| write(&self.picture(column, index), png))
    }

    /// The saved pictures of each column.
    fn pictures(&self) -> Pictures {
        let of = |column: &str| {
            let files = (0..).map(|index| std::fs::read(self.picture(column, index)));
            files.map_while(Result::ok).collect::<Vec<_>>()
        };
        let columns = COLUMNS.map(|column| (column.to_owned(), of(column)));
        let there = columns
            .into_iter()
            .filter(|(_, pictures)| !pictures.is_empty());
        there.collect()
    }

    pub(super) fn save_record(&self, record: &Record) -> Result<(), Error> {
        write_json(&self.record(), record)
    }

    pub(super) fn save_curves(&self, curves: &Curves) -> Result<(), Error> {
        write_json(&self.curves(), curves)
    }
}

/// Writes the pairs, then the record: a folder without it is an upload that was cut off.
pub(super) fn create(root: &Path, id: u32, spec: Spec, pairs: &[Pair]) -> Result<Run, Error> {
    let files = Files::new(root, id);
    denoised_weights::run::discard(&files.dir)?;
    write_pairs(&files.pairs(), pairs)?;
    let record = Record {
        spec,
        state: State::Waiting,
        error: None,
    };
    files.save_record(&record)?;
    Ok(Run::new(id, files, record, Curves::new(), Pictures::new()))
}

/// The trainings below `root`, with those that ran last waiting again.
pub(super) fn read_all(root: &Path) -> Result<Vec<Run>, Error> {
    let io = |source| Error::Io {
        action: "read the folder",
        path: root.to_owned(),
        source,
    };
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(root).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let id = name
            .to_str()
            .and_then(|name| name.strip_prefix("training-"));
        let Some(id) = id.and_then(|id| id.parse().ok()) else {
            continue;
        };
        let files = Files::new(root, id);
        if !files.record().exists() {
            continue;
        }
        let mut record: Record = read_json(&files.record())?;
        if record.state == State::Running {
            record.state = State::Waiting;
        }
        let curves = match files.curves().exists() {
            true => read_json(&files.curves())?,
            false => Curves::new(),
        };
        let pictures = files.pictures();
        runs.push(Run::new(id, files, record, curves, pictures));
    }
    Ok(runs)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|source| Error::BadRunFile {
        path: path.to_owned(),
        source,
    })
}
