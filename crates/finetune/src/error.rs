//! What can go wrong.

use std::path::PathBuf;

/// Errors of this crate; messages say what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe or configuration that cannot train anything.
    #[error("recipe field `{field}` is {value}; it must be {requirement}")]
    Recipe {
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        requirement: &'static str,
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
    /// A NaN or infinite loss.
    #[error(
        "epoch {epoch}, step {step}: the {which} loss is {value}, and `{layer}` holds {found}; lower the learning rate (it was {learning_rate}), or correct the pairs if the value is theirs. The last saved state is as it was"
    )]
    NotFinite {
        /// Epoch, from 1; 0 if there are none, as in [`Pretrainer`](crate::Pretrainer) and
        /// [`AdapterLoss`](crate::AdapterLoss).
        epoch: usize,
        /// Step within the run, from 1.
        step: usize,
        /// The network: discriminator, generator or base.
        which: &'static str,
        /// The loss.
        value: f32,
        /// The first of the batch's photos, its targets and the networks' parameters with a NaN or infinite value, such as
        /// `generator.stem.conv.weight`; if all values are finite, the one with the largest.
        layer: String,
        /// That value.
        found: f32,
        /// That network's learning rate.
        learning_rate: f64,
    },
    /// NaN or infinite weights after an epoch's last step or before a state is saved. Nothing was saved.
    #[error(
        "epoch {epoch}, step {step}: `{layer}` holds {found}; lower the learning rate. The last saved state is as it was"
    )]
    NotFiniteWeights {
        /// Epoch, from 1; 0 if there are none.
        epoch: usize,
        /// Steps done.
        step: usize,
        /// The parameter, such as `generator.stem.conv.weight`.
        layer: String,
        /// The value.
        found: f32,
    },
    /// An epoch of which only a part was trained: an error ended it, or its observer asks for what only a whole one gives.
    #[error(
        "epoch {epoch} is not finished: the run is at step {step}, in the middle of it, and can be neither saved nor trained further; make the trainer again and continue from the last saved state"
    )]
    UnfinishedEpoch {
        /// Epoch, from 1.
        epoch: usize,
        /// Step within the run, from 1.
        step: usize,
    },
    /// No zoo entry to start from.
    #[error("the zoo has no entries to start from; collect some concepts first")]
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
        "{}: the run's state cannot be written ({source}); the last one is as it was: make room or give write access, and run again to continue from it",
        path.display()
    )]
    SaveState {
        /// The file or folder.
        path: PathBuf,
        /// Why it cannot be written.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of the run's state that is missing or damaged.
    #[error("{}: {source}; remove the folder to start this run again", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A run's state of another format version.
    #[error(
        "{}: format version {found}, but this build reads {expected}; remove the folder to start this run again",
        path.display()
    )]
    StateVersion {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that this build reads.
        expected: u32,
    },
    /// A run's state with another recipe.
    #[error(
        "{}: written with another recipe; use that recipe, or remove the folder to start this run again",
        path.display()
    )]
    OtherRecipe {
        /// The file.
        path: PathBuf,
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
