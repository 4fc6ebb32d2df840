//! What a training over many concepts draws from.

use std::fmt;
use std::path::Path;

use concepts::Concept;
use concepts::pairs::{PairFile, list_training_pairs};
use image::RgbImage;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tensor_file::digest::Sha256;

use super::{ConceptDraws, ConceptSource};
use crate::Error;
use crate::error::Result;

/// The concepts and pairs that the trainings of a base and of a weight generator's edits draw from. They need no adapters of
/// the concepts, so these need not be in a zoo.
pub enum TrainingConcepts<'a> {
    /// Drawn concepts, by which these photos are edited.
    Drawn(ConceptDraws, &'a [RgbImage]),
    /// Folders of pairs.
    Folders(Vec<FolderConcept>),
}

/// A concept with its folder of pairs, whose images are read when they are drawn.
#[derive(Debug, Clone)]
pub struct FolderConcept {
    prompt: String,
    pairs: Vec<PairFile>,
}

impl FolderConcept {
    fn list(dir: &Path, prompt: String) -> Result<Self> {
        Ok(Self {
            prompt,
            pairs: list_training_pairs(dir)?,
        })
    }
}

/// Without the images.
impl fmt::Debug for TrainingConcepts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrainingConcepts")
            .field(&self.describe())
            .finish()
    }
}

impl<'a> TrainingConcepts<'a> {
    /// The folders among `sources`, or, if there are none, the listed concepts with `photos`.
    ///
    /// # Errors
    /// Returns [`Error::Concepts`], which names the file or folder that cannot be used, such as one without pairs.
    pub fn sources(
        sources: Vec<(String, ConceptSource)>,
        photos: &'a [RgbImage],
        seed: u64,
    ) -> Result<Self> {
        let (mut list, mut folders) = (Vec::new(), Vec::new());
        for (_, source) in sources {
            match source {
                ConceptSource::List(concept) => list.push(concept),
                ConceptSource::Folder(dir, prompt) => {
                    folders.push(FolderConcept::list(&dir, prompt)?);
                }
            }
        }
        Ok(match folders.is_empty() {
            true => Self::Drawn(ConceptDraws::of_list(list, seed), photos),
            false => Self::Folders(folders),
        })
    }

    /// What is drawn from, to tell one training from another.
    pub fn describe(&self) -> String {
        match self {
            Self::Drawn(draws, photos) => format!("{}, {} photos", draws.describe(), photos.len()),
            Self::Folders(folders) => format!("{} folders of pairs", folders.len()),
        }
    }

    /// SHA-256 over the listed concepts, those left out and the photos, or over the prompts of the folders and the names of their pairs, whose images
    /// are only read when they are drawn.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        match self {
            Self::Drawn(draws, photos) => {
                for concept in draws.list() {
                    digest.update_part(format!("{concept:?}"));
                }
                for words in draws.left_out() {
                    digest.update_part(words.join(" "));
                }
                for photo in *photos {
                    digest.update_part(photo.as_raw());
                }
            }
            Self::Folders(folders) => {
                for folder in folders {
                    digest.update_part(&folder.prompt);
                    for pair in &folder.pairs {
                        digest.update_part(&pair.name);
                    }
                }
            }
        }
        digest.finish_hex()
    }

    /// Checks, before a training begins, that there is something to draw.
    ///
    /// # Errors
    /// Returns [`Error::NoConcepts`] or [`Error::NoPhotos`].
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Drawn(draws, photos) => {
                draws.draw(1, 0).ok_or(Error::NoConcepts)?;
                match photos.is_empty() {
                    true => Err(Error::NoPhotos {
                        concept: draws.describe(),
                    }),
                    false => Ok(()),
                }
            }
            Self::Folders(folders) if folders.is_empty() => Err(Error::NoConcepts),
            Self::Folders(_) => Ok(()),
        }
    }

    /// The concept of draw `number` of `step`, with `count` of its pairs. What is drawn depends on the arguments alone, of
    /// which `rng` picks photos, or a folder and its pairs.
    pub(crate) fn draw(
        &self,
        (step, number): (u64, u64),
        count: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<DrawnPairs<'_>> {
        match self {
            Self::Drawn(concepts, photos) => {
                let drawn = concepts.draw(step, number).ok_or(Error::NoConcepts)?;
                let photos = (0..count).filter_map(|_| photos.choose(rng)).collect();
                Ok(DrawnPairs {
                    prompt: drawn.prompt,
                    pairs: Unread::Edits(Box::new(drawn.concept), photos),
                })
            }
            Self::Folders(folders) => {
                // Independent of what else a training draws from the same seed and stream, such as which samples go without
                // their text.
                let rng = &mut ChaCha8Rng::from_rng(rng);
                let concept = folders.choose(rng).ok_or(Error::NoConcepts)?;
                let pairs = (0..count)
                    .filter_map(|_| concept.pairs.choose(rng))
                    .collect();
                Ok(DrawnPairs {
                    prompt: concept.prompt.clone(),
                    pairs: Unread::Files(pairs),
                })
            }
        }
    }
}

/// A drawn concept, and pairs of it that have been picked but not made.
pub(crate) struct DrawnPairs<'a> {
    /// The prompt.
    pub(crate) prompt: String,
    pairs: Unread<'a>,
}

enum Unread<'a> {
    Edits(Box<Concept>, Vec<&'a RgbImage>),
    Files(Vec<&'a PairFile>),
}

impl DrawnPairs<'_> {
    /// Edits the photos, or reads the pairs at `size`×`size` pixels.
    pub(crate) fn make(&self, size: usize) -> Result<Vec<(RgbImage, RgbImage)>> {
        match &self.pairs {
            Unread::Edits(concept, photos) => Ok((photos.par_iter())
                .map(|photo| ((*photo).clone(), concept.apply(photo)))
                .collect()),
            Unread::Files(files) => (files.par_iter())
                .map(|file| {
                    let pair = file.read(size)?;
                    Ok((pair.input, pair.target))
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn pairs_are_drawn_independently_of_other_draws_of_the_same_seed() {
        let dir = tempfile::tempdir().unwrap();
        for side in ["input", "target"] {
            std::fs::create_dir(dir.path().join(side)).unwrap();
            for name in 10..50 {
                let path = dir.path().join(format!("{side}/{name}.png"));
                RgbImage::new(1, 1).save(path).unwrap();
            }
        }
        let folder = FolderConcept::list(dir.path(), "ink drawing".into()).unwrap();
        let concepts = TrainingConcepts::Folders(vec![folder]);
        // The first quarter of the pairs, and the quarter of the samples that a pretraining shows without their text.
        let (mut first, mut without_text, mut both) = (0, 0, 0);
        for step in 1..=100 {
            let stream = || {
                let mut rng = ChaCha8Rng::seed_from_u64(0);
                rng.set_stream(step);
                rng
            };
            let (mut pairs, mut other) = (stream(), stream());
            for sample in 0..16 {
                let drawn = concepts.draw((step, sample), 1, &mut pairs).unwrap();
                let Unread::Files(files) = drawn.pairs else {
                    panic!("edits of photos");
                };
                let in_first = files[0].name.as_str() < "20";
                let has_none = other.random::<f64>() < 0.25;
                first += u32::from(in_first);
                without_text += u32::from(has_none);
                both += u32::from(in_first && has_none);
            }
        }
        assert!((300..500).contains(&first), "{first}");
        assert!((300..500).contains(&without_text), "{without_text}");
        // A sixteenth, not a quarter.
        assert!((60..140).contains(&both), "{both}");
    }
}
