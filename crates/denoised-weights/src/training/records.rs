//! A zoo as the weight generator's training set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use weight_blocks::{Normalization, Normalizer, Zoo};
use weight_diffusion::data::Statistics;
use weight_diffusion::{BlockDataset, BlockSource, StreamedBlocks};

use crate::error::Result;
use crate::{Error, PromptEncoder};

/// The training records of a zoo, and the concept that each of the data set's texts belongs to.
pub struct ZooRecords {
    /// The records.
    pub dataset: BlockDataset,
    /// Concept by text index; the first if several share a prompt.
    pub concepts: Vec<String>,
}

/// Without the weights and the tokens.
impl fmt::Debug for ZooRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooRecords")
            .field("concepts", &self.concepts)
            .finish_non_exhaustive()
    }
}

impl ZooRecords {
    /// Reads a whole zoo. `normalizer` is that of a trained generator; without one it is fitted to the zoo.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] or [`Error::WeightGenerator`] if the zoo is empty or cannot be read, or the normaliser is
    /// of another layout, and [`Error::Text`] if the encoder knows no word of a prompt.
    pub fn read(
        zoo: &Zoo,
        encoder: &PromptEncoder,
        normalizer: Option<&Normalizer>,
    ) -> Result<Self> {
        let layout = zoo.layout().clone();
        let mut prompts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut texts = Vec::new();
        let mut concepts = Vec::new();
        let mut entries = Vec::new();
        for entry in zoo.entries() {
            let index = match prompts.get(entry.prompt.as_str()) {
                Some(&index) => index,
                None => {
                    texts.push(encoder.tokens(&entry.prompt)?);
                    concepts.push(entry.concept.clone());
                    prompts.insert(&entry.prompt, texts.len() - 1);
                    texts.len() - 1
                }
            };
            entries.push((index, layout.encode(&zoo.load(entry)?)?));
        }
        let normalizer = match normalizer {
            Some(normalizer) => normalizer.clone(),
            None => {
                let flats = entries.iter().map(|(_, flat)| flat.as_slice());
                Normalizer::fit(&layout, Normalization::Elementwise, flats)?
            }
        };
        let width = encoder.id().width;
        Ok(Self {
            dataset: BlockDataset::new(layout, normalizer, texts, width, entries)?,
            concepts,
        })
    }
}

/// The records of a zoo, in memory or, with `stream`, read from its shards when a batch needs them. The batches are the
/// same.
///
/// # Errors
/// As [`ZooRecords::read`].
pub fn open_records(
    zoo: &Zoo,
    encoder: &PromptEncoder,
    normalizer: Option<&Normalizer>,
    stream: bool,
) -> Result<Box<dyn BlockSource>> {
    if !stream {
        return Ok(Box::new(
            ZooRecords::read(zoo, encoder, normalizer)?.dataset,
        ));
    }
    let statistics = match normalizer {
        Some(normalizer) => Statistics::Given(normalizer.clone()),
        None => Statistics::Fit(Normalization::Elementwise),
    };
    let width = encoder.id().width;
    let blocks =
        StreamedBlocks::open(zoo, statistics, width, |prompt| Ok(encoder.tokens(prompt)?))?;
    Ok(Box::new(blocks))
}

/// The concepts of `count` prompts of the zoo that `seed` picks; a smaller draw is part of a larger one.
///
/// # Errors
/// Returns [`Error::SubsetSize`] if `count` is 0 or larger than the number of prompts.
pub fn subset(zoo: &Zoo, count: usize, seed: u64) -> Result<Zoo> {
    let prompts = shuffled(zoo, seed);
    if count == 0 || count > prompts.len() {
        return Err(Error::SubsetSize {
            wanted: count,
            prompts: prompts.len(),
        });
    }
    let kept: BTreeSet<&str> = prompts.into_iter().take(count).collect();
    Ok(zoo.filtered(|entry| kept.contains(entry.prompt.as_str())))
}

fn shuffled(zoo: &Zoo, seed: u64) -> Vec<&str> {
    let prompts: BTreeSet<&str> = zoo.entries().iter().map(|e| e.prompt.as_str()).collect();
    let mut prompts: Vec<&str> = prompts.into_iter().collect();
    prompts.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
    prompts
}

/// The zoo without the concepts of `count` prompts that `seed` picks, and these concepts.
///
/// # Errors
/// Returns [`Error::HoldOutSize`] if `count` is 0 or no prompt would be left.
pub fn hold_out(zoo: &Zoo, count: usize, seed: u64) -> Result<(Zoo, Zoo)> {
    let prompts = shuffled(zoo, seed);
    if count == 0 || count >= prompts.len() {
        return Err(Error::HoldOutSize {
            wanted: count,
            prompts: prompts.len(),
        });
    }
    let held_out: BTreeSet<&str> = prompts.into_iter().take(count).collect();
    let is_held_out = |prompt: &str| held_out.contains(prompt);
    Ok((
        zoo.filtered(|entry| !is_held_out(&entry.prompt)),
        zoo.filtered(|entry| is_held_out(&entry.prompt)),
    ))
}
