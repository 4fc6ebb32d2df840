//! Photos for training, validation and testing.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use concepts::{Split, read_photos, split_by_source};
use image::RgbImage;

use crate::error::Result;

/// Source photographs kept for choosing settings, at most.
const VALIDATION_SOURCES: usize = 16;
/// Source photographs kept for reporting results, at most.
const TEST_SOURCES: usize = 24;
/// Source photographs from which on so many are kept; of fewer, as large a share.
const FULL: usize = 112;
/// Seed of the split of the sources.
const SPLIT_SEED: u64 = 0;

/// Photos by split; no source photograph has crops in two of them. The first photos of each split are of different source
/// photographs.
pub struct PhotoSplits {
    /// To train on.
    pub train: Vec<RgbImage>,
    /// To choose settings on.
    pub validation: Vec<RgbImage>,
    /// To report on.
    pub test: Vec<RgbImage>,
}

/// Without the images.
impl fmt::Debug for PhotoSplits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhotoSplits")
            .field("train", &self.train.len())
            .field("validation", &self.validation.len())
            .field("test", &self.test.len())
            .finish_non_exhaustive()
    }
}

impl PhotoSplits {
    /// Reads a folder at `size`×`size` pixels and splits it by source photograph. Of 112 sources or more, 16 are for
    /// validation and 24 for testing; of fewer, as large a share (1/7 and 3/14), and one each at least. Three sources are
    /// enough.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`](crate::Error::Concepts), which names the file or folder that cannot be used.
    pub fn read(dir: &Path, size: usize) -> Result<Self> {
        let photos = read_photos(dir, size)?;
        let sources: BTreeSet<&str> = photos.iter().map(|photo| photo.source.as_str()).collect();
        let [validation, test] = held_out(sources.len());
        let split = split_by_source(&photos, validation, test, SPLIT_SEED)?;
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

/// How many of `sources` are kept for validation and for testing.
fn held_out(sources: usize) -> [usize; 2] {
    [VALIDATION_SOURCES, TEST_SOURCES].map(|full| (sources.min(FULL) * full / FULL).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_folders_hold_out_a_share_and_large_ones_as_many_as_the_shipped_one() {
        for (sources, expected) in [
            (3, [1, 1]),
            (14, [2, 3]),
            (41, [5, 8]),
            (111, [15, 23]),
            (112, [16, 24]),
            (5000, [16, 24]),
        ] {
            assert_eq!(held_out(sources), expected, "{sources}");
        }
        let dir = tempfile::tempdir().unwrap();
        let add = |name: &str| {
            let photo = RgbImage::new(8, 8);
            photo.save(dir.path().join(name)).unwrap();
        };
        add("a.png");
        add("b.png");
        let error = PhotoSplits::read(dir.path(), 8).unwrap_err().to_string();
        assert!(error.contains("2 sources"), "{error}");
        add("c.png");
        let split = PhotoSplits::read(dir.path(), 8).unwrap();
        let parts = [&split.train, &split.validation, &split.test];
        assert_eq!(parts.map(Vec::len), [1; 3]);
    }
}
