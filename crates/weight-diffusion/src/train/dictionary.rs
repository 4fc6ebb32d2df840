//! The block dictionary alone, trained on what the predicted networks do.

use encoded_text::EncodedPrompt;

use super::network_loss::{NetworkLoss, through_dictionary};
use super::optimizer::StepStats;
use super::trainer::{Trainer, sealed};
use crate::{BlockDataset, Error};

/// Minimises a [`NetworkLoss`] of one-step predictions by the network's block dictionary
/// ([`UNet1dConfig::dictionary`](crate::UNet1dConfig::dictionary)); all other weights are frozen.
///
/// Afterwards the network's predictions hold at the noise end, where one-step recovery starts, and no
/// longer at other timesteps.
pub type DictionaryTrainer = Trainer<Dictionary>;

/// The [`Objective`](super::Objective) of a [`DictionaryTrainer`].
#[derive(Debug, Default)]
pub struct Dictionary;

impl sealed::Objective for Dictionary {
    const KIND: sealed::Kind = sealed::Kind::Dictionary;
}

impl DictionaryTrainer {
    /// Takes one optimizer step on `loss` of the one-step predictions for `prompts`; the data set gives the
    /// layout and the normaliser of the weights.
    ///
    /// # Errors
    /// Returns [`Error::NotFinite`] if the loss or its gradient is NaN or infinite; the weights are then
    /// those of the step before. Returns [`Error::NoDictionary`] if the network has none,
    /// [`Error::Config`] if the weight decay is not 0 (it would act on the frozen weights),
    /// [`Error::EmptyDataset`] if there are no prompts, [`Error::Layout`] or [`Error::Shape`] if the trainer
    /// was made for another data set, [`Error::NetworkLoss`] if `loss` fails, and [`Error::Device`] if a
    /// value cannot be read back.
    pub fn step(
        &mut self,
        dataset: &BlockDataset,
        prompts: &[EncodedPrompt],
        loss: &mut dyn NetworkLoss,
    ) -> Result<StepStats, Error> {
        let config = self.config();
        if config.weight_decay != 0.0 {
            let requirement = "0 if only the dictionary is trained";
            return Err(Error::config(
                "weight_decay",
                config.weight_decay,
                requirement,
            ));
        }
        self.step_through(through_dictionary, dataset, prompts, loss)
    }
}
