//! The training and test pairs of one concept.

use std::fmt;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use clean_fid::{FeatureNet, FeatureSet};
use concepts::{Concept, read_pair_splits, read_pairs};
use finetune::selection::select_by_clusters;
use finetune::{PairSet, images_to_tensor};
use image::RgbImage;

use super::{edit_photos, images, spread};
use crate::Error;
use crate::error::Result;

/// Of one set of pairs, every fifth is kept for measuring.
const MEASURED_EVERY: usize = 5;

/// Photos whose features are computed at a time.
const FEATURE_BATCH: usize = 32;

/// Training and test pairs of one concept.
pub struct ConceptPairs {
    /// Name of the concept or of the folder.
    pub name: String,
    /// Its text.
    pub prompt: String,
    /// To train on.
    pub train: PairSet,
    /// To measure on.
    pub test: PairSet,
    /// Some test pairs as images, for pictures.
    pub shown: Vec<(RgbImage, RgbImage)>,
    /// How many pairs there were to take these from.
    pub given: PairsGiven,
}

/// Without the images.
impl fmt::Debug for ConceptPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConceptPairs")
            .field("name", &self.name)
            .field("prompt", &self.prompt)
            .field("train", &self.train.len())
            .field("test", &self.test.len())
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

/// How many pairs there are for a concept, of which [`PairCounts`] takes some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairsGiven {
    /// Training pairs.
    pub train: usize,
    /// Test pairs.
    pub test: usize,
}

/// How many pairs a run takes; fewer if there are fewer.
#[derive(Debug, Clone, Copy)]
pub struct PairCounts {
    /// Training pairs.
    pub train: usize,
    /// Test pairs.
    pub test: usize,
    /// Test pairs kept as images.
    pub shown: usize,
}

impl ConceptPairs {
    /// Edits photos as `concept` says: the first of `train` to train on, the first of `measure` to measure on, all of
    /// `size`×`size` pixels.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if a set is empty or a photo has another size.
    pub fn edited(
        concept: &Concept,
        train: &[RgbImage],
        measure: &[RgbImage],
        counts: PairCounts,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        let given = PairsGiven {
            train: train.len(),
            test: measure.len(),
        };
        let train = edit_photos(first(train, counts.train), concept);
        let test = edit_photos(first(measure, counts.test), concept);
        let shown = spread(&test, counts.shown, 0.5);
        Ok(Self {
            name: concept.name.clone(),
            prompt: concept.prompt.clone(),
            train: PairSet::new(&train, size, device)?,
            test: PairSet::new(&test, size, device)?,
            shown,
            given,
        })
    }

    /// A user's folder of pairs: `train/` and `test/` (or `val/`) subfolders, or one set of which every fifth pair is kept
    /// for measuring.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`], which names the file or folder that cannot be used, or [`Error::TooFewPairs`].
    pub fn folder(
        dir: &Path,
        prompt: &str,
        counts: PairCounts,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        let (train, test) = read_train_and_test(dir, size)?;
        if test.len() < 2 {
            return Err(Error::TooFewPairs {
                path: dir.to_owned(),
                train: train.len(),
                test: test.len(),
            });
        }
        let given = PairsGiven {
            train: train.len(),
            test: test.len(),
        };
        let train = spread(&train, counts.train, 0.0);
        let test = spread(&test, counts.test, 0.0);
        let shown = spread(&test, counts.shown, 0.5);
        Ok(Self {
            name: folder_name(dir).to_owned(),
            prompt: prompt.to_owned(),
            train: PairSet::new(&train, size, device)?,
            test: PairSet::new(&test, size, device)?,
            shown,
            given,
        })
    }

    /// The same pairs the other way round: what was the target is the photo (pix2pix's `--direction BtoA`).
    #[must_use]
    pub fn reversed(mut self) -> Self {
        for pairs in [&mut self.train, &mut self.test] {
            std::mem::swap(&mut pairs.photos, &mut pairs.targets);
        }
        for (photo, target) in &mut self.shown {
            std::mem::swap(photo, target);
        }
        self
    }

    /// The same with `count` of the training pairs: those whose photos are nearest the centres of as many clusters, by the
    /// features of `network` (E²GAN, §3.3; [`select_by_clusters`]). All of them if there are no more.
    ///
    /// # Errors
    /// Returns [`Error::Metric`] if the features cannot be computed, and [`Error::Selection`] for a NaN or infinite feature
    /// or a `count` of 0.
    pub fn clustered(mut self, count: usize, network: &dyn FeatureNet, seed: u64) -> Result<Self> {
        if self.train.len() <= count {
            return Ok(self);
        }
        let unit = (self.train.photos.clone() + 1.0) / 2.0;
        let features = FeatureSet::extract(network, unit, FEATURE_BATCH)?;
        let rows: Vec<Vec<f32>> = features.rows().map(<[f32]>::to_vec).collect();
        let chosen = select_by_clusters(&rows, count, seed)?.chosen;
        self.train = self.train.select(&chosen);
        Ok(self)
    }

    /// The shown photos, `[N, 3, S, S]` in −1..1.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if there are none.
    pub fn shown_photos(&self, size: usize, device: &Device) -> Result<Tensor<4>> {
        let photos: Vec<&RgbImage> = self.shown.iter().map(|pair| &pair.0).collect();
        Ok(images_to_tensor(&photos, size, device)?)
    }
}

/// The name of the concept of a folder of pairs.
pub(super) fn folder_name(dir: &Path) -> &str {
    dir.file_name().and_then(|n| n.to_str()).unwrap_or("pairs")
}

type ImagePairs = Vec<(RgbImage, RgbImage)>;

fn read_train_and_test(dir: &Path, size: usize) -> Result<(ImagePairs, ImagePairs)> {
    if let Some(splits) = read_pair_splits(dir, size)? {
        let test = if splits.test.is_empty() {
            log::warn!("{}: there is no test/; val/ is measured on", dir.display());
            splits.val
        } else {
            splits.test
        };
        return Ok((images(splits.train), images(test)));
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (i, pair) in images(read_pairs(dir, size)?).into_iter().enumerate() {
        if i % MEASURED_EVERY == MEASURED_EVERY - 1 {
            test.push(pair);
        } else {
            train.push(pair);
        }
    }
    Ok((train, test))
}

fn first(photos: &[RgbImage], count: usize) -> &[RgbImage] {
    &photos[..count.min(photos.len())]
}

#[cfg(test)]
mod tests {
    use concepts::{Pair, write_pairs};

    use super::super::read_training_pairs;
    use super::*;

    fn pairs(count: u8) -> Vec<Pair> {
        (0..count)
            .map(|i| Pair {
                name: i.to_string(),
                input: RgbImage::new(8, 8),
                target: RgbImage::from_pixel(8, 8, image::Rgb([i; 3])),
            })
            .collect()
    }

    #[test]
    fn reversed_pairs_have_the_target_as_the_photo() {
        let dir = tempfile::tempdir().unwrap();
        write_pairs(dir.path(), &pairs(10)).unwrap();
        let counts = PairCounts {
            train: 10,
            test: 10,
            shown: 1,
        };
        let read =
            || ConceptPairs::folder(dir.path(), "grey", counts, 16, &Device::flex()).unwrap();
        let (given, reversed) = (read(), read().reversed());
        let values = |tensor: &Tensor<4>| tensor.to_data().try_to_vec::<f32>().unwrap();
        for (pairs, other) in [
            (&given.train, &reversed.train),
            (&given.test, &reversed.test),
        ] {
            assert_ne!(values(&pairs.photos), values(&pairs.targets));
            assert_eq!(values(&pairs.photos), values(&other.targets));
            assert_eq!(values(&pairs.targets), values(&other.photos));
        }
        let (photo, target) = &given.shown[0];
        assert_eq!(&reversed.shown[0], &(target.clone(), photo.clone()));
    }

    #[test]
    fn pairs_are_measured_on_test_else_on_val_else_on_every_fifth() {
        let dir = tempfile::tempdir().unwrap();
        let counts = || {
            let (train, test) = read_train_and_test(dir.path(), 8).unwrap();
            (train.len(), test.len())
        };
        write_pairs(dir.path(), &pairs(10)).unwrap();
        assert_eq!(counts(), (8, 2));
        write_pairs(&dir.path().join("train"), &pairs(6)).unwrap();
        write_pairs(&dir.path().join("val"), &pairs(4)).unwrap();
        assert_eq!(counts(), (6, 4));
        write_pairs(&dir.path().join("test"), &pairs(3)).unwrap();
        assert_eq!(counts(), (6, 3));
        // To train on, a folder with train/ is that; otherwise all of its pairs are.
        let to_train = |dir: &Path| read_training_pairs(dir, 8).map(|pairs| pairs.len());
        assert_eq!(to_train(dir.path()).unwrap(), 6);
        assert_eq!(to_train(&dir.path().join("val")).unwrap(), 4);
        std::fs::remove_dir_all(dir.path().join("train")).unwrap();
        assert!(to_train(dir.path()).is_err(), "val/ is not trained on");
    }
}
