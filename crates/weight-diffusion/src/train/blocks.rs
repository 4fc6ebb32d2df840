//! The paper's loss on blocks.

use burn::tensor::{Device, Tensor};

use super::batch::Batch;
use super::optimizer::{Optimizer, StepStats};
use super::parallel::{self, Work};
use super::trainer::{Trainer, check_source, sealed};
use crate::readback::scalar;
use crate::{BlockSource, Error};

/// Minimises the paper's loss (Eq. 1) on batches of a [`BlockSource`].
///
/// With [`Parameterization::Epsilon`](crate::Parameterization::Epsilon) the loss is the paper's,
/// mean (ε̂ − ε)². With [`Parameterization::Skip`](crate::Parameterization::Skip) the network predicts
/// v = α ε − σ w⁰ and the loss is mean (F − v)²; since ε̂ − ε = α (F − v), that is the paper's loss
/// weighted by 1/α_t², which keeps the noise end from vanishing. Likewise for every
/// [`Parameterization`](crate::Parameterization) the loss is the mean squared error of what the network
/// predicts, weighted by [`TrainConfig::min_snr_gamma`](super::TrainConfig::min_snr_gamma) if that is set.
pub type BlockTrainer = Trainer<Blocks>;

/// The [`Objective`](super::Objective) of a [`BlockTrainer`].
#[derive(Debug, Default)]
pub struct Blocks {
    /// Devices that compute a part of each batch, beside the trainer's own.
    others: Vec<Device>,
}

impl sealed::Objective for Blocks {
    const KIND: sealed::Kind = sealed::Kind::Blocks;
}

impl Blocks {
    pub(super) fn set_devices(&mut self, others: &[Device]) {
        self.others = others
            .iter()
            .map(|device| device.clone().autodiff())
            .collect();
    }

    /// Draws the batch of the next step; gives its loss and the gradient of all weights.
    pub(super) fn loss_and_gradient(
        &self,
        optimizer: &Optimizer,
        dataset: &dyn BlockSource,
    ) -> Result<(f64, Tensor<1>), Error> {
        let (config, unet) = (&optimizer.config, optimizer.model.config());
        let batch = Batch::draw(
            dataset,
            config,
            &unet.schedule,
            unet.parameterization,
            optimizer.step + 1,
        )?;
        let devices: Vec<&Device> = std::iter::once(&optimizer.device)
            .chain(&self.others)
            .collect();
        let work = parallel::shares(batch.rows(), devices.len())
            .zip(&devices)
            .map(|(rows, device)| Work::new(&batch, rows, config.micro_batch, dataset, device))
            .collect::<Result<_, Error>>()?;
        let (loss, gradient) = parallel::loss_and_gradient(&optimizer.model, work)?;
        Ok((scalar("the loss", loss)?, gradient))
    }
}

impl BlockTrainer {
    /// Shares each batch with `others`, as data-parallel training does: every device computes the gradient
    /// of its rows with a copy of the weights, all at the same time, and the trainer's own device takes the
    /// step with the gradient of the whole batch. The steps equal those of a single device up to rounding,
    /// and the number of devices may change when a run is resumed. A device may be listed more than once.
    ///
    /// Burn's own `all_reduce` is not used, because its CPU backend has none (0.22).
    pub fn with_devices(mut self, others: &[Device]) -> Self {
        self.objective.set_devices(others);
        self
    }

    /// Takes one optimizer step on a batch of `dataset`.
    ///
    /// # Errors
    /// Returns [`Error::NotFinite`] if the loss or its gradient is NaN or infinite, and
    /// [`Error::DeviceFailed`] if one of the other devices fails; the weights are then those of the step
    /// before. Returns [`Error::Layout`] or [`Error::Shape`] if the trainer was made for another layout or
    /// text width, [`Error::Device`] if a value cannot be read back, and the error of a data set that cannot
    /// be read.
    pub fn step(&mut self, dataset: &dyn BlockSource) -> Result<StepStats, Error> {
        check_source(&self.data, dataset)?;
        let (loss, gradient) = (self.objective).loss_and_gradient(&self.optimizer, dataset)?;
        self.optimizer.descend(loss, gradient)
    }
}
