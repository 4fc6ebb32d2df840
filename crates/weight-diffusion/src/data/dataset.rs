//! A data set in memory.

use std::borrow::Cow;

use weight_blocks::{Layout, Normalizer};

use super::source::past_the_end;
use super::{BlockSource, NormStats, l2};
use crate::Error;
use encoded_text::EncodedPrompt;

/// Weights of many networks as normalised blocks in memory, each network with its prompt.
///
/// A data set of E networks in a layout of N blocks has E·N records ⟨n, w_n, T⟩: record i is block i mod N
/// of network i / N.
#[derive(Debug, Clone)]
pub struct BlockDataset {
    layout: Layout,
    normalizer: Normalizer,
    texts: Vec<EncodedPrompt>,
    text_width: usize,
    entries: Vec<Entry>,
    norm: NormStats,
}

#[derive(Debug, Clone)]
struct Entry {
    text: usize,
    /// N·b normalised values.
    weights: Vec<f32>,
}

impl BlockDataset {
    /// Normalises `entries`: for each network the index of its text in `texts`, and the N·b values
    /// that [`Layout::encode`] gives. Several networks may share a text (checkpoints of one
    /// concept), and a text of length 0 is allowed.
    ///
    /// # Errors
    /// Returns [`Error::EmptyDataset`] if there are no entries, [`Error::Prompt`] if a text is not
    /// `text_width` wide, [`Error::Shape`] if an index has no text or a network is not N·b values,
    /// [`Error::NotFiniteEntry`] if a weight is NaN or infinite, and [`Error::Blocks`] if the
    /// normaliser belongs to another layout ([`Normalizer::check`]).
    pub fn new(
        layout: Layout,
        normalizer: Normalizer,
        texts: Vec<EncodedPrompt>,
        text_width: usize,
        entries: Vec<(usize, Vec<f32>)>,
    ) -> Result<Self, Error> {
        if entries.is_empty() {
            return Err(Error::EmptyDataset {
                missing: "networks",
            });
        }
        normalizer.check(&layout)?;
        for text in &texts {
            text.check_width(text_width)?;
        }
        let mut norms = Vec::with_capacity(entries.len());
        let entries = (entries.into_iter().enumerate())
            .map(|(entry, (text, mut weights))| {
                if text >= texts.len() {
                    return Err(past_the_end("text index of an entry", texts.len(), text));
                }
                check_weights(entry, &weights, layout.encoded_len())?;
                norms.push(l2(&weights));
                normalizer.normalize(&mut weights)?;
                Ok(Entry { text, weights })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            layout,
            normalizer,
            texts,
            text_width,
            entries,
            norm: NormStats::of(&norms),
        })
    }

    /// The encoded prompts.
    pub fn texts(&self) -> &[EncodedPrompt] {
        &self.texts
    }
}

/// Checks the encoded weights of entry number `entry`.
fn check_weights(entry: usize, weights: &[f32], expected: usize) -> Result<(), Error> {
    if weights.len() != expected {
        return Err(Error::shape("encoded weights", expected, weights.len()));
    }
    match weights.iter().position(|w| !w.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFiniteEntry {
            entry,
            index,
            value: weights[index],
        }),
    }
}

impl BlockSource for BlockDataset {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    fn text_width(&self) -> usize {
        self.text_width
    }

    fn text_count(&self) -> usize {
        self.texts.len()
    }

    fn networks(&self) -> usize {
        self.entries.len()
    }

    fn norm(&self) -> NormStats {
        self.norm
    }

    fn read_record(&self, index: usize, block: &mut [f32]) -> Result<(usize, usize), Error> {
        let (blocks, size) = (self.layout.blocks(), self.layout.block_size());
        let (network, n) = (index / blocks, index % blocks);
        let entry = (self.entries.get(network))
            .ok_or_else(|| past_the_end("record", self.records(), index))?;
        if block.len() != size {
            return Err(Error::shape("block", size, block.len()));
        }
        block.copy_from_slice(&entry.weights[n * size..(n + 1) * size]);
        Ok((n, entry.text))
    }

    fn read_text(&self, index: usize) -> Result<Cow<'_, EncodedPrompt>, Error> {
        let text = self.texts.get(index).map(Cow::Borrowed);
        text.ok_or_else(|| past_the_end("text", self.texts.len(), index))
    }
}
