//! What the denoiser learns from: records ⟨n, w_n, T⟩ (paper, §3.1).

use rand::RngExt;
use serde::{Deserialize, Serialize};
use weight_blocks::{Layout, Normalizer};

use crate::diffusion::noise::stream;
use crate::{Error, HostText};

/// Weights of many concepts as normalised blocks on the host, each network with its prompt.
///
/// A data set of E networks in a layout of N blocks has E·N records ⟨n, w_n, T⟩.
#[derive(Debug, Clone)]
pub struct BlockDataset {
    layout: Layout,
    normalizer: Normalizer,
    texts: Vec<HostText>,
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

/// One record ⟨n, w_n, T⟩.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// Block index n, from 0.
    pub n: usize,
    /// w_n, b normalised weights.
    pub weights: &'a [f32],
    /// Which of [`BlockDataset::texts`].
    pub text: usize,
}

/// Mean and standard deviation of the L2 norm of the networks' encoded, not normalised weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormStats {
    /// Mean.
    pub mean: f64,
    /// Standard deviation over the networks (population).
    pub std: f64,
}

/// What a trained denoiser needs to know of its data, and what a resumed one checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// The layout's name.
    pub layout: String,
    /// The layout's digest.
    pub layout_digest: String,
    /// Blocks per network, N.
    pub blocks: usize,
    /// Weights per block, b.
    pub block_size: usize,
    /// Width C of the text tokens.
    pub text_width: usize,
}

impl NormStats {
    /// Of `norms`; zero for none.
    pub fn of(norms: &[f64]) -> Self {
        let n = norms.len().max(1) as f64;
        let mean = norms.iter().sum::<f64>() / n;
        let variance = norms.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Self {
            mean,
            std: variance.sqrt(),
        }
    }
}

impl BlockDataset {
    /// Normalises `entries`: for each network the index of its text in `texts`, and the N·b values
    /// that [`Layout::encode`] gives. Several networks may share a text (checkpoints of one
    /// concept), and a text of length 0 is allowed.
    ///
    /// # Errors
    /// [`Error::EmptyDataset`] without entries; [`Error::Shape`] for a text that is not
    /// `len × text_width`, an index without a text, or a network that is not N·b values;
    /// [`Error::Config`] for a weight that is no finite number; [`Error::Blocks`] where the
    /// normaliser belongs to another layout.
    pub fn new(
        layout: Layout,
        normalizer: Normalizer,
        texts: Vec<HostText>,
        text_width: usize,
        entries: Vec<(usize, Vec<f32>)>,
    ) -> Result<Self, Error> {
        if entries.is_empty() {
            return Err(Error::EmptyDataset {
                why: "there are no networks in it; collect some first",
            });
        }
        for text in &texts {
            text.check(text_width)?;
        }
        let expected = layout.blocks() * layout.block_size();
        let mut norms = Vec::with_capacity(entries.len());
        let entries = entries
            .into_iter()
            .enumerate()
            .map(|(i, (text, mut weights))| {
                if text >= texts.len() {
                    return Err(Error::shape(
                        "text index of an entry",
                        format!("below {}", texts.len()),
                        text,
                    ));
                }
                if weights.len() != expected {
                    return Err(Error::shape("encoded weights", expected, weights.len()));
                }
                if let Some(at) = weights.iter().position(|w| !w.is_finite()) {
                    return Err(Error::config(
                        "entries",
                        format!("weight {at} of entry {i} is {}; remove it", weights[at]),
                    ));
                }
                norms.push(l2(&weights));
                normalizer.normalize(&mut weights)?;
                Ok(Entry { text, weights })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            layout,
            normalizer,
            texts,
            text_width,
            entries,
            norm: NormStats::of(&norms),
        })
    }

    /// The layout of the networks.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The normaliser applied.
    pub fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    /// The encoded prompts.
    pub fn texts(&self) -> &[HostText] {
        &self.texts
    }

    /// Width C of the text tokens.
    pub fn text_width(&self) -> usize {
        self.text_width
    }

    /// Number of networks E.
    pub fn networks(&self) -> usize {
        self.entries.len()
    }

    /// Number of records, E·N.
    pub fn len(&self) -> usize {
        self.entries.len() * self.layout.blocks()
    }

    /// Never true: an empty data set cannot be made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Norms of the networks as they were given, before normalisation.
    pub fn norm(&self) -> NormStats {
        self.norm
    }

    /// What a [`Trainer`](crate::Trainer) is made for.
    pub fn spec(&self) -> DatasetSpec {
        DatasetSpec {
            layout: self.layout.name().to_owned(),
            layout_digest: self.layout.digest(),
            blocks: self.layout.blocks(),
            block_size: self.layout.block_size(),
            text_width: self.text_width,
        }
    }

    /// Record `index`: block `index mod N` of network `index / N`; none past the end.
    pub fn record(&self, index: usize) -> Option<Record<'_>> {
        let (blocks, size) = (self.layout.blocks(), self.layout.block_size());
        let entry = self.entries.get(index / blocks)?;
        let n = index % blocks;
        Some(Record {
            n,
            weights: entry.weights.get(n * size..(n + 1) * size)?,
            text: entry.text,
        })
    }

    /// `count` records for step `step`, drawn uniformly with replacement. The draw depends on
    /// `seed` and `step` only, so a resumed run needs no generator state.
    pub fn sample(&self, seed: u64, step: u64, count: usize) -> Vec<Record<'_>> {
        let mut rng = stream(seed, 2 * step);
        (0..count)
            .filter_map(|_| self.record(rng.random_range(0..self.len())))
            .collect()
    }
}

/// L2 norm.
pub(crate) fn l2(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt()
}
