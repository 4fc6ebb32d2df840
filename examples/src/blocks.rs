//! A zoo as the weight generator's training set.

use std::collections::BTreeMap;

use burn::tensor::Device;
use weight_blocks::{Normalization, Normalizer, Zoo};
use weight_diffusion::BlockDataset;

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
