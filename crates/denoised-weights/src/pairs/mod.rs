//! Photos, pairs of photos and edited photos, and the concepts that they belong to.

mod concept_draws;
mod concept_pairs;
mod left_out;
mod photo_splits;
mod source;
mod training_concepts;

use std::path::Path;

use burn::tensor::Device;
use concepts::pairs::{PairFile, list_training_pairs};
use concepts::{Concept, Pair, Split, art_concepts};
use finetune::PairSet;
use image::RgbImage;

use crate::error::Result;

pub use concept_draws::{ConceptDraws, DrawnPrompt};
pub use concept_pairs::{ConceptPairs, PairCounts, PairsGiven};
pub use photo_splits::PhotoSplits;
pub(crate) use source::PROMPT_FILE;
pub use source::{ConceptSource, concept_folders, listed_sources, read_prompt, training_sources};
pub(crate) use training_concepts::DrawnPairs;
pub use training_concepts::{FolderConcept, TrainingConcepts};

/// Reads a folder of pairs to train on, each resized to `size`×`size` pixels: `DIR/input/NAME.*` and `DIR/target/NAME.*`,
/// pix2pix's side-by-side files, or the `train/` of `train/`, `val/` and `test/` subfolders of these.
///
/// # Errors
/// Returns [`Error::Concepts`](crate::Error::Concepts), which names the file or folder that cannot be used.
pub fn read_pair_set(dir: impl AsRef<Path>, size: usize, device: &Device) -> Result<PairSet> {
    let pairs = read_training_pairs(dir.as_ref(), size)?;
    Ok(PairSet::new(&pairs, size, device)?)
}

/// [`read_pair_set`] as images.
fn read_training_pairs(dir: &Path, size: usize) -> Result<Vec<(RgbImage, RgbImage)>> {
    let read = |pair: PairFile| Ok(pair.read(size)?);
    let pairs = list_training_pairs(dir)?.into_iter().map(read);
    Ok(images(pairs.collect::<Result<_>>()?))
}

fn images(pairs: Vec<Pair>) -> Vec<(RgbImage, RgbImage)> {
    pairs.into_iter().map(|p| (p.input, p.target)).collect()
}

/// The concepts of the shipped list that are in `split`.
pub fn concepts_of(split: Split) -> Vec<Concept> {
    let list = art_concepts().into_iter();
    list.filter(|concept| concept.split == split).collect()
}

/// Photos with their edits.
pub fn edit_photos(photos: &[RgbImage], concept: &Concept) -> Vec<(RgbImage, RgbImage)> {
    use rayon::prelude::*;
    photos
        .par_iter()
        .map(|photo| (photo.clone(), concept.apply(photo)))
        .collect()
}

/// `count` items spread evenly over `items`, or all of them if there are fewer. `shift` (0..1) moves the grid, so that two
/// picks need not share items.
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

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn spread_takes_evenly_and_never_more_than_there_are() {
        let items: Vec<usize> = (0..10).collect();
        assert_eq!(spread(&items, 5, 0.0), [0, 2, 4, 6, 8]);
        assert_eq!(spread(&items, 5, 0.5), [1, 3, 5, 7, 9]);
        assert_eq!(spread(&items, 20, 0.0), items);
        assert_eq!(spread(&items, 0, 0.0), [] as [usize; 0]);
    }
}
