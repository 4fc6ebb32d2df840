//! A zoo as the weight generator's training set.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use weight_blocks::{Normalization, Normalizer, Zoo};
use weight_diffusion::data::Statistics;
use weight_diffusion::{BlockDataset, BlockSource, StreamedBlocks};

use crate::Result;
use crate::assets::Text;

/// The records of a zoo, and which concept each of the data set's texts belongs to.
pub struct ZooBlocks {
    /// The records.
    pub dataset: BlockDataset,
    /// Concept by text index; the first where several share a prompt.
    pub concepts: Vec<String>,
}

impl ZooBlocks {
    /// Reads a whole zoo; `normalizer` where a trained generator has one already, else it is fitted.
    ///
    /// # Errors
    /// A zoo that is empty or cannot be read, or a normaliser of another layout.
    pub fn read(
        zoo: &Zoo,
        text: &Text,
        normalizer: Option<&Normalizer>,
        device: &Device,
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
                    texts.push(text.tokens(&entry.prompt, device)?);
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
        let width = text.spec().width;
        Ok(Self {
            dataset: BlockDataset::new(layout, normalizer, texts, width, entries)?,
            concepts,
        })
    }
}

/// The records of a zoo, in memory or, with `stream`, read from its shards when a batch needs them. The
/// batches are the same.
///
/// # Errors
/// As [`ZooBlocks::read`].
pub fn source(
    zoo: &Zoo,
    text: &Text,
    normalizer: Option<&Normalizer>,
    stream: bool,
    device: &Device,
) -> Result<Box<dyn BlockSource>> {
    if !stream {
        return Ok(Box::new(
            ZooBlocks::read(zoo, text, normalizer, device)?.dataset,
        ));
    }
    let statistics = match normalizer {
        Some(normalizer) => Statistics::Given(normalizer.clone()),
        None => Statistics::Fit(Normalization::Elementwise),
    };
    let width = text.spec().width;
    let blocks =
        StreamedBlocks::open(zoo, statistics, width, |prompt| text.tokens(prompt, device))?;
    Ok(Box::new(blocks))
}

/// The concepts of `count` prompts of the zoo that `seed` picks; a smaller draw lies within a larger one.
///
/// # Errors
/// Where there are fewer prompts, or none were asked for.
pub fn subset(zoo: &Zoo, count: usize, seed: u64) -> Result<Zoo> {
    let prompts = shuffled(zoo, seed);
    if count == 0 || count > prompts.len() {
        return Err(format!(
            "{count} concepts cannot be taken of the {} there; take at least one",
            prompts.len()
        )
        .into());
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

/// The zoo without the concepts of `count` prompts that `seed` picks, and these.
///
/// # Errors
/// Where there are no more prompts than that.
pub fn hold_out(zoo: &Zoo, count: usize, seed: u64) -> Result<(Zoo, Zoo)> {
    let prompts = shuffled(zoo, seed);
    if count == 0 || count >= prompts.len() {
        return Err(format!(
            "{count} of {} prompts cannot be held out; take at least one, and leave one",
            prompts.len()
        )
        .into());
    }
    let held_out: BTreeSet<&str> = prompts.into_iter().take(count).collect();
    let is_held_out = |prompt: &str| held_out.contains(prompt);
    Ok((
        zoo.filtered(|entry| !is_held_out(&entry.prompt)),
        zoo.filtered(|entry| is_held_out(&entry.prompt)),
    ))
}
