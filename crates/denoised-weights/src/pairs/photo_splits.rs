//! Photos for training, validation and testing.

use std::path::Path;

use concepts::{Split, read_photos, split_by_source};
use image::RgbImage;

use crate::error::Result;

/// Source photographs kept for choosing settings.
const VALIDATION_SOURCES: usize = 16;
/// Source photographs kept for reporting results.
const TEST_SOURCES: usize = 24;
/// Seed of the split of the sources.
const SPLIT_SEED: u64 = 0;

/// Photos by split; no source photograph has crops in two of them.
pub struct PhotoSplits {
    /// To train on.
    pub train: Vec<RgbImage>,
    /// To choose settings on.
    pub validation: Vec<RgbImage>,
    /// To report on.
    pub test: Vec<RgbImage>,
}

impl PhotoSplits {
    /// Reads a folder at `size`×`size` pixels and splits it by source photograph.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`](crate::Error::Concepts), which names the file or folder that cannot be used.
    pub fn read(dir: &Path, size: usize) -> Result<Self> {
        let photos = read_photos(dir, size)?;
        let split = split_by_source(&photos, VALIDATION_SOURCES, TEST_SOURCES, SPLIT_SEED)?;
        let pick = |indices: &[usize]| indices.iter().map(|&i| photos[i].image.clone()).collect();
        Ok(Self {
            train: pick(&split.train),
            validation: pick(&split.validation),
            test: pick(&split.test),
        })
    }

    /// The photos of a split.
    pub fn of(&self, split: Split) -> &[RgbImage] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}
