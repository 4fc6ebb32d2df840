//! All weights, trained on what the predicted networks do.

use encoded_text::EncodedPrompt;

use super::network_loss::{NetworkLoss, StepTexts, through_network};
use super::optimizer::StepStats;
use super::trainer::{Trainer, check_source, sealed};
use crate::{BlockDataset, Error};

/// Minimises a [`NetworkLoss`] of one-step predictions by all weights of the UNet, end to end.
///
/// Afterwards the network's predictions hold at the noise end, where one-step recovery starts, and no
/// longer at other timesteps.
pub type NetworkTrainer = Trainer<Networks>;

/// The [`Objective`](super::Objective) of a [`NetworkTrainer`].
#[derive(Debug, Default)]
pub struct Networks;

impl sealed::Objective for Networks {
    const KIND: sealed::Kind = sealed::Kind::Networks;
}

impl NetworkTrainer {
    /// Takes one optimizer step on `loss` of the one-step predictions for `prompts`; the data set gives the
    /// layout and the normaliser of the weights. The prompts need not be among its texts: a loss on what
    /// networks do needs no trained networks to compare with.
    ///
    /// # Errors
    /// Returns [`Error::NotFinite`] if the loss or its gradient is NaN or infinite; the weights are then
    /// those of the step before. Returns [`Error::EmptyDataset`] if there are no prompts, [`Error::Layout`]
    /// or [`Error::Shape`] if the trainer was made for another layout or text width, [`Error::NetworkLoss`] if
    /// `loss` fails, and [`Error::Device`] if a value cannot be read back.
    pub fn step(
        &mut self,
        dataset: &BlockDataset,
        prompts: &[EncodedPrompt],
        loss: &mut dyn NetworkLoss,
    ) -> Result<StepStats, Error> {
        check_source(&self.data, dataset)?;
        let optimizer = &self.optimizer;
        let texts = StepTexts::given(optimizer.step + 1, prompts)?;
        let (loss, gradient) = through_network(
            &optimizer.model,
            dataset,
            loss,
            (optimizer.config.seed, &texts),
            optimizer.config.micro_batch,
            &optimizer.device,
        )?;
        self.optimizer.descend(loss, gradient)
    }
}
