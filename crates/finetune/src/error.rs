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
        "epoch {epoch}, step {step}: the {which} loss is {value}, and `{layer}` holds {found}; lower the learning rate (it was {learning_rate}), or mend the pairs where they hold it. A state saved before is as it was"
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
        /// The first of the batch's photos, its targets and the networks' parameters that holds a value that is no
        /// number, as `generator.stem.conv.weight`; where all are numbers, the one with the largest.
        layer: String,
        /// That value.
        found: f32,
        /// That network's learning rate.
        learning_rate: f64,
    },
    /// Weights that are no longer numbers after an epoch's last step, or where a state was to be saved. Nothing was
    /// saved.
    #[error(
        "epoch {epoch}, step {step}: `{layer}` holds {found}; lower the learning rate. A state saved before is as it was"
    )]
    NotFiniteWeights {
        /// Epoch, from 1; 0 where there are none.
        epoch: usize,
        /// Steps done.
        step: usize,
        /// The parameter, as `generator.stem.conv.weight`.
        layer: String,
        /// The value.
        found: f32,
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
    /// A run's state that cannot be written: a full or read-only disk.
    #[error(
        "{}: the run's state cannot be written ({why}); the last one is as it was: make room or give write access, and run again to go on from it",
        path.display()
    )]
    SaveState {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// A file of the run's state that cannot be read.
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
    /// A baseline's network that cannot be built or does not take its input.
    #[error(transparent)]
    Baseline(#[from] gan_baselines::Error),
    /// Weights that do not fit, or a zoo that cannot be read.
    #[error(transparent)]
    Weights(#[from] weight_blocks::Error),
    /// A metric that cannot be taken.
    #[error(transparent)]
    Metric(#[from] clean_fid::Error),
}
