use std::path::Path;

use resumable_runs::read_json;
use serde::{Deserialize, Serialize};

use super::split::Fractions;
use crate::{Error, Split};

/// A prepared photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparedPhoto {
    /// The stem of the result, `train/NAME.png`.
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
    /// The requested shares.
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
    /// Returns [`Error::File`] if the file cannot be read or is not a manifest, and [`Error::UnknownVersion`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let manifest: Self = read_json(path)?;
        if manifest.version != 1 {
            return Err(Error::UnknownVersion {
                path: path.to_owned(),
                version: manifest.version,
            });
        }
        Ok(manifest)
    }

    /// The number of photos in a split.
    pub fn count(&self, split: Split) -> usize {
        self.photos.iter().filter(|p| p.split == split).count()
    }
}
