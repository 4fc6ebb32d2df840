//! Where records ⟨n, w_n, T⟩ come from.

use std::borrow::Cow;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use weight_blocks::{Layout, Normalizer};

use super::NormStats;
use crate::Error;
use crate::diffusion::noise::stream;
use encoded_text::EncodedPrompt;

/// Records ⟨n, w_n, T⟩ for a trainer, in memory ([`BlockDataset`](crate::BlockDataset)) or read from a
/// zoo's shards as they are needed ([`StreamedBlocks`](crate::StreamedBlocks)). Both give the same batches,
/// bit for bit.
pub trait BlockSource {
    /// The layout of the networks.
    fn layout(&self) -> &Layout;

    /// The normaliser that is applied to the weights.
    fn normalizer(&self) -> &Normalizer;

    /// Width C of the text tokens.
    fn text_width(&self) -> usize;

    /// Number of different prompts.
    fn text_count(&self) -> usize;

    /// Number of networks E.
    fn networks(&self) -> usize;

    /// Norms of the networks before normalisation.
    fn norm(&self) -> NormStats;

    /// Reads the b normalised weights of record `index`, below E·N, into `block`. Returns the block index
    /// n and the number of the prompt.
    ///
    /// # Errors
    /// Returns [`Error::Shape`] if `index` is past the end or `block` has another length, and
    /// [`Error::Blocks`] if the weights cannot be read.
    fn read_record(&self, index: usize, block: &mut [f32]) -> Result<(usize, usize), Error>;

    /// Reads prompt `index`.
    ///
    /// # Errors
    /// Returns [`Error::Shape`] if `index` is past the end, and [`Error::Io`] if the prompt cannot be read.
    fn read_text(&self, index: usize) -> Result<Cow<'_, EncodedPrompt>, Error>;

    /// Number of records, E·N.
    fn records(&self) -> usize {
        self.networks() * self.layout().blocks()
    }

    /// The description that a trainer is made for.
    fn spec(&self) -> DatasetSpec {
        let layout = self.layout();
        DatasetSpec {
            layout: layout.name().to_owned(),
            layout_digest: layout.digest(),
            blocks: layout.blocks(),
            block_size: layout.block_size(),
            text_width: self.text_width(),
            networks: self.networks(),
            texts: self.text_count(),
            normalizer_digest: self.normalizer().digest(),
        }
    }
}

/// What a trained denoiser needs to know of its data, and what a resumed training checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Name of the layout.
    pub layout: String,
    /// Digest of the layout.
    pub layout_digest: String,
    /// Number of blocks per network, N.
    pub blocks: usize,
    /// Weights per block, b.
    pub block_size: usize,
    /// Width C of the text tokens.
    pub text_width: usize,
    /// Number of networks, E.
    pub networks: usize,
    /// Number of different prompts.
    pub texts: usize,
    /// Digest of the normaliser.
    pub normalizer_digest: String,
}

pub(super) fn past_the_end(what: &'static str, count: usize, index: usize) -> Error {
    Error::shape(what, format!("a number below {count}"), index)
}

/// `count` of `records` records for step `step`, drawn uniformly with replacement. The draw depends only
/// on `seed` and `step`, so a resumed run needs no generator state.
pub(crate) fn draw(
    records: usize,
    seed: u64,
    step: u64,
    count: usize,
) -> impl Iterator<Item = usize> {
    let mut rng = stream(seed, 2 * step);
    (0..if records == 0 { 0 } else { count }).map(move |_| rng.random_range(0..records))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_only_on_seed_and_step() {
        let drawn = |seed, step| draw(10, seed, step, 20).collect::<Vec<_>>();
        assert_eq!(drawn(1, 5), drawn(1, 5));
        assert_ne!(drawn(1, 5), drawn(1, 6));
        assert_ne!(drawn(1, 5), drawn(2, 5));
        assert_eq!(draw(0, 1, 5, 20).count(), 0);
        let mut seen = [0; 5];
        draw(10, 0, 0, 1_000).for_each(|index| seen[index % 5] += 1);
        assert!(seen.iter().all(|&count| count > 120), "{seen:?}");
    }
}
