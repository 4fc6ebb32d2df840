//! What a caller can do wrong.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe whose numbers cannot train anything.
    #[error("recipe field `{field}`: {why}")]
    Recipe {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A pair whose images do not fit the generator.
    #[error(
        "pair {index}: {width}×{height} pixels, the generator takes {size}×{size}; resize it first"
    )]
    PairSize {
        /// Position in the list.
        index: usize,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What the generator takes.
        size: usize,
    },
    /// No pair to train on or to measure with.
    #[error("no {what} pairs; give at least {needed}")]
    NoPairs {
        /// Which set is empty.
        what: &'static str,
        /// How many it takes.
        needed: usize,
    },
    /// A loss that is no longer a number.
    #[error(
        "epoch {epoch}, step {step}: the {which} loss is {value}; lower the learning rate (it was {learning_rate}). A state saved before is as it was"
    )]
    NotFinite {
        /// Epoch, from 1; 0 where there are none, as in [`Pretrainer`](crate::Pretrainer) and
        /// [`AdapterLoss`](crate::AdapterLoss).
        epoch: usize,
        /// Step within the run, from 1.
        step: usize,
        /// The network: discriminator, generator or base.
        which: &'static str,
        /// The loss.
        value: f32,
        /// That network's learning rate.
        learning_rate: f64,
    },
    /// No zoo entry to start from.
    #[error("the zoo has no entries to start from; run `collect` first")]
    EmptyZoo,
    /// An initialiser of another crate that failed.
    #[error("initialiser `{name}`: {source}")]
    Initializer {
        /// Its name.
        name: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of the run's state that cannot be read or written.
    #[error("{}: {why}; remove the folder to start this run anew", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A network that cannot be built.
    #[error(transparent)]
    Network(#[from] lora_gan::Error),
    /// Weights that do not fit, or a zoo that cannot be read.
    #[error(transparent)]
    Weights(#[from] weight_blocks::Error),
    /// A metric that cannot be taken.
    #[error(transparent)]
    Metric(#[from] clean_fid::Error),
}
