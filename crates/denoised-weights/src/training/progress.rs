//! How far a training is, and its figures.

use serde::Serialize;
use weight_diffusion::BlockSource;
use weight_diffusion::train::{StepStats, Validation};

/// The figures of a training.
#[derive(Debug, Clone, Serialize)]
pub struct TrainingReport {
    /// Networks of the zoo.
    pub networks: usize,
    /// Their different prompts.
    pub prompts: usize,
    /// Blocks of a network.
    pub blocks: usize,
    /// Optimizer steps taken in all.
    pub steps: u64,
    /// Seconds of this run; earlier interrupted ones do not count.
    pub seconds_this_run: f64,
    /// Running mean of the loss at the end; none if no step was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_loss: Option<f64>,
    /// Mean norm of the zoo's networks.
    pub zoo_norm_mean: f64,
    /// Standard deviation of the zoo's norms.
    pub zoo_norm_std: f64,
    /// The last evaluation on held-out concepts, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<Validation>,
}

/// The progress of a training.
#[derive(Debug, Clone, Copy)]
pub enum TrainingEvent {
    /// The training set is read.
    Data {
        /// Networks of the zoo.
        networks: usize,
        /// Their different prompts.
        prompts: usize,
        /// Blocks of a network.
        blocks: usize,
        /// Weights of a block.
        block_size: usize,
    },
    /// Training starts, or continues after `done` steps of an earlier run.
    Begin {
        /// Steps in all.
        steps: u64,
        /// Steps done.
        done: u64,
    },
    /// A step was taken.
    Step {
        /// Its figures.
        stats: StepStats,
        /// Running mean of the loss.
        mean_loss: f64,
    },
    /// The loss on held-out concepts was taken.
    HeldOut(Validation),
    /// The last step is done.
    End,
}

impl TrainingEvent {
    /// [`TrainingEvent::Data`] of a data set.
    pub(super) fn data(dataset: &dyn BlockSource) -> Self {
        Self::Data {
            networks: dataset.networks(),
            prompts: dataset.text_count(),
            blocks: dataset.layout().blocks(),
            block_size: dataset.layout().block_size(),
        }
    }
}

/// Exponential mean of a noisy loss; NaN before the first value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunningMean(f64);

impl RunningMean {
    pub(crate) fn new() -> Self {
        Self(f64::NAN)
    }

    /// Adds a value; gives the mean.
    pub(crate) fn add(&mut self, value: f64) -> f64 {
        self.0 = if self.0.is_nan() {
            value
        } else {
            0.98 * self.0 + 0.02 * value
        };
        self.0
    }

    pub(crate) fn get(self) -> f64 {
        self.0
    }
}
