//! Photos, concepts and pairs as the examples use them.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use concepts::{
    Concept, Pair, Split, art_concepts, read_pair_splits, read_pairs, read_photos, split_by_source,
};
use finetune::{PairSet, images_to_tensor};
use image::RgbImage;

use crate::Result;

/// Source photos kept for choosing settings, and for reporting results.
const HELD_OUT_SOURCES: (usize, usize) = (2, 3);
/// Seed of the split of the sources.
const SPLIT_SEED: u64 = 0;

/// Photos by split; no source photograph has crops in two of them.
pub struct Photos {
    /// To train on.
    pub train: Vec<RgbImage>,
    /// To choose settings on.
    pub validation: Vec<RgbImage>,
    /// To report on.
    pub test: Vec<RgbImage>,
}

impl Photos {
    /// Reads and splits a folder.
    ///
    /// # Errors
    /// Names the file or folder that cannot be used.
    pub fn read(dir: &Path, size: usize) -> Result<Self> {
        let photos = read_photos(dir, size)?;
        let (validation, test) = HELD_OUT_SOURCES;
        let split = split_by_source(&photos, validation, test, SPLIT_SEED)?;
        let pick = |indices: &[usize]| indices.iter().map(|&i| photos[i].image.clone()).collect();
        Ok(Self {
            train: pick(&split.train),
            validation: pick(&split.validation),
            test: pick(&split.test),
        })
    }
}

/// The concepts of the shipped list that are in `split`.
pub fn concepts_of(split: Split) -> Vec<Concept> {
    let list = art_concepts().into_iter();
    list.filter(|concept| concept.split == split).collect()
}

/// `count` items spread evenly over `items`, or all where there are fewer. `shift` (0..1) moves the
/// grid, so that two picks need not share items.
pub fn spread<T: Clone>(items: &[T], count: usize, shift: f64) -> Vec<T> {
    if count == 0 || items.is_empty() {
        return Vec::new();
    }
    let count = count.min(items.len());
    let stride = items.len() as f64 / count as f64;
    (0..count)
        .map(|i| items[(((i as f64 + shift) * stride) as usize).min(items.len() - 1)].clone())
        .collect()
}

/// Photos with their edits.
pub fn edit(photos: &[RgbImage], concept: &Concept) -> Vec<(RgbImage, RgbImage)> {
    use rayon::prelude::*;
    photos
        .par_iter()
        .map(|photo| (photo.clone(), concept.apply(photo)))
        .collect()
}

/// Training and test pairs of one concept.
pub struct ConceptPairs {
    /// Name of the concept or the folder.
    pub name: String,
    /// Its text.
    pub prompt: String,
    /// To train on.
    pub train: PairSet,
    /// To measure on.
    pub test: PairSet,
    /// First test pairs as images, for pictures.
    pub shown: Vec<(RgbImage, RgbImage)>,
}

/// How many pairs a run takes.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Training pairs.
    pub train: usize,
    /// Test pairs.
    pub test: usize,
    /// Pairs kept as images.
    pub shown: usize,
}

impl ConceptPairs {
    /// Edits photos of the shipped list's concept: training photos to train on, `measure` to
    /// measure on.
    ///
    /// # Errors
    /// Where a set is empty.
    pub fn edited(
        concept: &Concept,
        train: &[RgbImage],
        measure: &[RgbImage],
        counts: Counts,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        let train = edit(&spread(train, counts.train, 0.0), concept);
        let test = edit(&spread(measure, counts.test, 0.0), concept);
        Self::of(
            &concept.name,
            &concept.prompt,
            &train,
            &test,
            counts,
            size,
            device,
        )
    }

    /// A user's folder of pairs: `train/` and `test/` (or `val/`) subfolders, or one set of which
    /// every fifth pair is kept for measuring.
    ///
    /// # Errors
    /// Names the file or folder that cannot be used.
    pub fn folder(
        dir: &Path,
        prompt: &str,
        counts: Counts,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        let images = |pairs: Vec<Pair>| -> Vec<(RgbImage, RgbImage)> {
            pairs.into_iter().map(|p| (p.input, p.target)).collect()
        };
        let (train, test) = match read_pair_splits(dir, size)? {
            Some(splits) => {
                let test = if splits.test.is_empty() {
                    splits.val
                } else {
                    splits.test
                };
                (images(splits.train), images(test))
            }
            None => {
                let (mut train, mut test) = (Vec::new(), Vec::new());
                for (i, pair) in images(read_pairs(dir, size)?).into_iter().enumerate() {
                    if i % 5 == 4 {
                        test.push(pair)
                    } else {
                        train.push(pair)
                    }
                }
                (train, test)
            }
        };
        if test.len() < 2 {
            return Err(format!(
                "{}: {} training and {} test pairs; at least 10 pairs are needed (every fifth is kept for measuring)",
                dir.display(),
                train.len(),
                test.len()
            )
            .into());
        }
        let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or("pairs");
        let train = spread(&train, counts.train, 0.0);
        let test = spread(&test, counts.test, 0.0);
        Self::of(name, prompt, &train, &test, counts, size, device)
    }

    /// The shown photos, `[N, 3, S, S]` in −1..1.
    ///
    /// # Errors
    /// Where there are none.
    pub fn shown_photos(&self, size: usize, device: &Device) -> Result<Tensor<4>> {
        let photos: Vec<&RgbImage> = self.shown.iter().map(|pair| &pair.0).collect();
        Ok(images_to_tensor(&photos, size, device)?)
    }

    fn of(
        name: &str,
        prompt: &str,
        train: &[(RgbImage, RgbImage)],
        test: &[(RgbImage, RgbImage)],
        counts: Counts,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            prompt: prompt.to_owned(),
            train: PairSet::new(train, size, device)?,
            test: PairSet::new(test, size, device)?,
            shown: spread(test, counts.shown, 0.5),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn the_fresh_concepts_are_in_no_list() -> crate::Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/fresh_concepts.json");
        let fresh = concepts::read_concepts(path.as_ref())?;
        assert_eq!(fresh.len(), 5);
        for concept in &fresh {
            for shipped in concepts::art_concepts() {
                assert!(shipped.prompt != concept.prompt && shipped.edit != concept.edit);
            }
        }
        Ok(())
    }

    #[test]
    fn spread_takes_evenly_and_never_more_than_there_are() {
        let items: Vec<usize> = (0..10).collect();
        assert_eq!(spread(&items, 5, 0.0), [0, 2, 4, 6, 8]);
        assert_eq!(spread(&items, 5, 0.5), [1, 3, 5, 7, 9]);
        assert_eq!(spread(&items, 20, 0.0), items);
        assert_eq!(spread(&items, 0, 0.0), [] as [usize; 0]);
    }
}
