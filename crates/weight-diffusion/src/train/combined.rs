//! The paper's loss on blocks plus a loss on whole networks.

use burn::tensor::Device;

use super::blocks::Blocks;
use super::network_loss::{NetworkLoss, StepTexts, through_network};
use super::optimizer::StepStats;
use super::trainer::{Trainer, check_source, sealed};
use crate::{BlockDataset, Error};

/// Minimises the paper's loss on a batch of blocks (Eq. 1) plus a weighted [`NetworkLoss`] of one-step
/// predictions: the combination that the paper tried and dropped.
pub type CombinedTrainer = Trainer<Combined>;

/// The [`Objective`](super::Objective) of a [`CombinedTrainer`].
#[derive(Debug, Default)]
pub struct Combined {
    blocks: Blocks,
}

impl sealed::Objective for Combined {
    const KIND: sealed::Kind = sealed::Kind::Combined;
}

impl CombinedTrainer {
    /// Shares the batches of blocks with `others`, as
    /// [`BlockTrainer::with_devices`](super::BlockTrainer::with_devices) does.
    pub fn with_devices(mut self, others: &[Device]) -> Self {
        self.objective.blocks.set_devices(others);
        self
    }

    /// Takes one optimizer step on the sum of the loss on blocks and `weight` times `loss` of the one-step
    /// predictions for `networks` of the data set's texts. The reported loss is the sum.
    ///
    /// # Errors
    /// As [`BlockTrainer::step`](super::BlockTrainer::step). Also returns [`Error::Config`] if `weight` is
    /// negative, NaN or infinite or `networks` is 0, and [`Error::NetworkLoss`] if `loss` fails.
    pub fn step(
        &mut self,
        dataset: &BlockDataset,
        loss: &mut dyn NetworkLoss,
        weight: f64,
        networks: usize,
    ) -> Result<StepStats, Error> {
        check_source(&self.data, dataset)?;
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(Error::config("weight", weight, "a number of at least 0"));
        }
        if networks == 0 {
            return Err(Error::config("networks", networks, "at least 1"));
        }
        let optimizer = &self.optimizer;
        let (on_blocks, gradient) =
            (self.objective.blocks).loss_and_gradient(optimizer, dataset)?;
        let seed = optimizer.config.seed;
        let texts = StepTexts::picked(dataset, seed, optimizer.step + 1, networks);
        let (on_networks, through) = through_network(
            &optimizer.model,
            dataset,
            loss,
            (seed, &texts),
            optimizer.config.micro_batch,
            &optimizer.device,
        )?;
        let loss = on_blocks + weight * on_networks;
        let gradient = gradient + through.mul_scalar(weight);
        self.optimizer.descend(loss, gradient)
    }
}
