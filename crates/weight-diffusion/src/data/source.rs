//! Where records ⟨n, w_n, T⟩ come from.

use std::borrow::Cow;

use rand::RngExt;
use weight_blocks::{Layout, Normalizer};

use crate::diffusion::noise::stream;
use crate::{BlockDataset, DatasetSpec, Error, HostText, NormStats};

/// Records ⟨n, w_n, T⟩ for a [`Trainer`](crate::Trainer): in memory
/// ([`BlockDataset`]), or read from a zoo's shards when they are needed
/// ([`StreamedBlocks`](crate::StreamedBlocks)). Both give the same batches, bit for bit.
pub trait BlockSource {
    /// The layout of the networks.
    fn layout(&self) -> &Layout;

    /// The normaliser applied.
    fn normalizer(&self) -> &Normalizer;

    /// Width C of the text tokens.
    fn text_width(&self) -> usize;

    /// Number of different prompts.
    fn text_count(&self) -> usize;

    /// Number of networks E.
    fn networks(&self) -> usize;

    /// Norms of the networks before normalisation.
    fn norm(&self) -> NormStats;

    /// Record `index`, of E·N: the b normalised weights into `block`; gives the block index n and the
    /// number of the prompt.
    ///
    /// # Errors
    /// [`Error::Shape`] for an index past the end or a `block` of another length, [`Error::Blocks`]
    /// where the weights cannot be read.
    fn read_record(&self, index: usize, block: &mut [f32]) -> Result<(usize, usize), Error>;

    /// Prompt `index`.
    ///
    /// # Errors
    /// [`Error::Shape`] for an index past the end, [`Error::Io`] where it cannot be read.
    fn read_text(&self, index: usize) -> Result<Cow<'_, HostText>, Error>;

    /// Number of records, E·N.
    fn records(&self) -> usize {
        self.networks() * self.layout().blocks()
    }

    /// What a [`Trainer`](crate::Trainer) is made for.
    fn spec(&self) -> DatasetSpec {
        let layout = self.layout();
        DatasetSpec {
            layout: layout.name().to_owned(),
            layout_digest: layout.digest(),
            blocks: layout.blocks(),
            block_size: layout.block_size(),
            text_width: self.text_width(),
        }
    }
}

impl BlockSource for BlockDataset {
    fn layout(&self) -> &Layout {
        self.layout()
    }

    fn normalizer(&self) -> &Normalizer {
        self.normalizer()
    }

    fn text_width(&self) -> usize {
        self.text_width()
    }

    fn text_count(&self) -> usize {
        self.texts().len()
    }

    fn networks(&self) -> usize {
        self.networks()
    }

    fn norm(&self) -> NormStats {
        self.norm()
    }

    fn read_record(&self, index: usize, block: &mut [f32]) -> Result<(usize, usize), Error> {
        let record = self
            .record(index)
            .ok_or_else(|| past_the_end("record", self.len(), index))?;
        if block.len() != record.weights.len() {
            return Err(Error::shape("block", record.weights.len(), block.len()));
        }
        block.copy_from_slice(record.weights);
        Ok((record.n, record.text))
    }

    fn read_text(&self, index: usize) -> Result<Cow<'_, HostText>, Error> {
        let text = self.texts().get(index).map(Cow::Borrowed);
        text.ok_or_else(|| past_the_end("text", self.texts().len(), index))
    }
}

pub(crate) fn past_the_end(what: &'static str, count: usize, index: usize) -> Error {
    Error::shape(what, format!("a number below {count}"), index)
}

/// `count` records of `records` for step `step`, drawn uniformly with replacement. The draw depends
/// on `seed` and `step` only, so a resumed run needs no generator state.
pub(crate) fn draw(
    records: usize,
    seed: u64,
    step: u64,
    count: usize,
) -> impl Iterator<Item = usize> {
    let mut rng = stream(seed, 2 * step);
    (0..if records == 0 { 0 } else { count }).map(move |_| rng.random_range(0..records))
}
