use std::path::Path;

use serde::{Deserialize, Serialize};

use super::split::Fractions;
use crate::{Error, Split, store};

/// What was made of a photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparedPhoto {
    /// The stem of the result: `train/NAME.png`.
    pub name: String,
    /// Its part of the experiment.
    pub split: Split,
    /// The person or photograph that it belongs to.
    pub group: String,
    /// The name of the file that it was made from.
    pub source_file: String,
    /// SHA-256 of that file.
    pub source_sha256: String,
    /// Left, top and side of the square that was taken, in pixels of the upright photo.
    pub crop: (u32, u32, u32),
    /// SHA-256 of the result.
    pub sha256: String,
}

/// How a folder of photos was prepared, as `manifest.json` beside the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file: 1.
    pub version: u32,
    /// Side of the results in pixels.
    pub size: u32,
    /// `centre` or `face`.
    pub crop: String,
    /// The shares that were asked for.
    pub fractions: Fractions,
    /// The seed of the split.
    pub seed: u64,
    /// The photos, sorted by name.
    pub photos: Vec<PreparedPhoto>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::BadFile`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let manifest: Self = store::read_json(path)?;
        if manifest.version != 1 {
            return Err(Error::BadFile {
                path: path.to_owned(),
                message: format!("has version {}, and 1 is read", manifest.version),
            });
        }
        Ok(manifest)
    }

    /// Photos of a split.
    pub fn count(&self, split: Split) -> usize {
        self.photos.iter().filter(|p| p.split == split).count()
    }
}

/// The folder of a split: `train`, `val`, `test`.
pub(super) fn folder(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validation => "val",
        Split::Test => "test",
    }
}
