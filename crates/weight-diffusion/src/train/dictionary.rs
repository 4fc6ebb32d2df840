//! The block dictionary alone, trained on what the predicted networks do.

use super::network_loss::{NetworkLoss, predictions_without_dictionary, through_dictionary};
use super::optimizer::StepStats;
use super::trainer::{Trainer, check_data, sealed};
use crate::{BlockDataset, BlockSource, Error};

/// Minimises a [`NetworkLoss`] of one-step predictions by the network's block dictionary
/// ([`UNet1dConfig::dictionary`](crate::UNet1dConfig::dictionary)); all other weights are frozen.
///
/// Afterwards the network's predictions hold at the noise end, where one-step recovery starts, and no
/// longer at other timesteps.
pub type DictionaryTrainer = Trainer<Dictionary>;

/// The [`Objective`](super::Objective) of a [`DictionaryTrainer`].
#[derive(Debug, Default)]
pub struct Dictionary {
    /// What the frozen part of the network predicts for each text, computed at the first step.
    frozen: Option<Vec<Vec<f32>>>,
}

impl sealed::Objective for Dictionary {
    const KIND: sealed::Kind = sealed::Kind::Dictionary;
}

impl DictionaryTrainer {
    /// Takes one optimizer step on `loss` of the one-step predictions for
    /// [`TrainConfig::batch_size`](super::TrainConfig::batch_size) of the data set's texts.
    ///
    /// # Errors
    /// Returns [`Error::NotFinite`] if the loss or its gradient is NaN or infinite; the weights are then
    /// those of the step before. Returns [`Error::NoDictionary`] if the network has none,
    /// [`Error::Config`] if the weight decay is not 0 (it would act on the frozen weights),
    /// [`Error::Layout`] or [`Error::Shape`] if the trainer was made for another data set or the number of
    /// texts has changed, [`Error::NetworkLoss`] if `loss` fails, and [`Error::Device`] if a value cannot be
    /// read back.
    pub fn step(
        &mut self,
        dataset: &BlockDataset,
        loss: &mut dyn NetworkLoss,
    ) -> Result<StepStats, Error> {
        check_data(&self.data, &dataset.spec())?;
        let Self {
            optimizer,
            objective: Dictionary { frozen },
            ..
        } = self;
        let (config, model, device) = (&optimizer.config, &optimizer.model, &optimizer.device);
        if config.weight_decay != 0.0 {
            let requirement = "0 if only the dictionary is trained";
            return Err(Error::config(
                "weight_decay",
                config.weight_decay,
                requirement,
            ));
        }
        let frozen = match frozen {
            Some(frozen) => frozen,
            None => frozen.insert(predictions_without_dictionary(model, dataset, device)?),
        };
        let (known, texts) = (frozen.len(), dataset.texts().len());
        if known != texts {
            return Err(Error::shape("texts of the data set", known, texts));
        }
        let draw = (config.seed, optimizer.step + 1, config.batch_size);
        let (loss, gradient) = through_dictionary(model, frozen, dataset, loss, draw, device)?;
        optimizer.descend(loss, gradient)
    }
}
