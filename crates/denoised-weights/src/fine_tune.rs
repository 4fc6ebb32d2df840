//! Fine-tuning an adapter without measuring it, at once or in steps that survive the process.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use finetune::{ConceptTrainer, EpochLosses, Initializer, PairSet, Recipe};
use lora_gan::BaseGenerator;
use serde::Serialize;
use weight_blocks::NamedTensors;

use crate::Error;
use crate::error::Result;
use crate::run::claim;

/// Trains the adapter of one concept from the weights that `start` gives for the prompt of `base`; gives the weights after
/// the recipe's last epoch. `observe` sees the losses of every epoch.
///
/// `base` is the base for the prompt, as [`AdapterPredictor::prompted_base`](crate::AdapterPredictor::prompted_base) gives it.
/// `start` is an [`AdapterPredictor`](crate::AdapterPredictor) or any other [`Initializer`]: [`finetune::Zero`] (E²GAN),
/// [`finetune::Nearest`], [`finetune::ZooMean`].
///
/// # Errors
/// Returns [`Error::Network`](crate::Error::Network) if the base has no prompt, and
/// [`Error::FineTune`](crate::Error::FineTune) if the start cannot be made, the recipe or the pairs do not fit, or a loss is
/// NaN or infinite.
pub fn fine_tune(
    base: &BaseGenerator,
    start: &dyn Initializer,
    pairs: &PairSet,
    recipe: &Recipe,
    mut observe: impl FnMut(&EpochLosses),
) -> Result<NamedTensors> {
    let device = device_of(base);
    let start = start.start(prompt_of(base)?)?.weights;
    let mut trainer = ConceptTrainer::new(&base.generator, &start, recipe.clone(), &device)?;
    for _ in 0..recipe.epochs {
        observe(&trainer.epoch(pairs)?);
    }
    Ok(trainer.adapter()?)
}

fn prompt_of(base: &BaseGenerator) -> Result<&str> {
    Ok(base.prompt.as_deref().ok_or(lora_gan::Error::NoPrompt)?)
}

fn device_of(base: &BaseGenerator) -> Device {
    let devices = base.generator.devices();
    devices.into_iter().next().unwrap_or_default()
}

/// What a training in a folder is of.
#[derive(Serialize)]
struct Training<'a> {
    prompt: &'a str,
    start: &'a str,
    base: &'a str,
}

/// [`fine_tune`] that keeps its state in a folder: pause it by not asking for the next epoch, and continue it, in another
/// process if need be, by opening the folder again. A continued training ends with the bytes of an uninterrupted one.
pub struct SavedFineTuning {
    trainer: ConceptTrainer,
    state: PathBuf,
    epochs: usize,
}

impl SavedFineTuning {
    /// Begins in `dir`, or continues what is there. `base` is the base for the prompt. The folder keeps the training's description (`training.json`) and its
    /// last state (`state/`).
    ///
    /// # Errors
    /// Returns [`Error::OtherRun`] if the training there is of another prompt, start or base; [`Error::NoRunRecord`] or
    /// [`Error::BadRunFile`] if its description is missing or damaged; [`Error::Network`] if the base has no prompt; and [`Error::FineTune`] if the start cannot be
    /// made, the recipe does not fit or is another one than that of the state, or the state is damaged.
    pub fn open(
        base: &BaseGenerator,
        start: &dyn Initializer,
        recipe: &Recipe,
        dir: &Path,
    ) -> Result<Self> {
        let prompt = prompt_of(base)?;
        let state = dir.join("state");
        let training = Training {
            prompt,
            start: start.name(),
            base: &base.digest,
        };
        claim(&dir.join("training.json"), state.exists(), &training)?;
        let weights = start.start(prompt)?.weights;
        let (device, generator) = (device_of(base), &base.generator);
        Ok(Self {
            trainer: ConceptTrainer::resume(generator, &weights, recipe.clone(), &device, &state)?,
            state,
            epochs: recipe.epochs,
        })
    }

    /// The trainer after the last finished epoch: its history, the adapter, the network to measure or draw with.
    pub fn trainer(&self) -> &ConceptTrainer {
        &self.trainer
    }

    /// Whether all epochs of the recipe are done.
    pub fn is_finished(&self) -> bool {
        self.trainer.epochs_done() >= self.epochs
    }

    /// Trains one epoch and saves the state. `go_on` is asked after each step; if it says no, the epoch is given up, and
    /// the training with it: `None` is returned, and the folder continues from the end of the epoch before.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if a loss is NaN or infinite, or the state cannot be saved.
    pub fn epoch(
        mut self,
        pairs: &PairSet,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Option<(Self, EpochLosses)>> {
        let losses =
            self.trainer.epoch_observed(
                pairs,
                |_, _, _| {
                    if go_on() { Ok(()) } else { Err(Halt::Asked) }
                },
            );
        match losses {
            Ok(losses) => {
                self.trainer.save_state(&self.state)?;
                Ok(Some((self, losses)))
            }
            Err(Halt::Asked) => Ok(None),
            Err(Halt::Failed(error)) => Err(Error::FineTune(error)),
        }
    }
}

/// Why an epoch did not end.
enum Halt {
    Asked,
    Failed(Box<finetune::Error>),
}

impl From<finetune::Error> for Halt {
    fn from(error: finetune::Error) -> Self {
        Self::Failed(Box::new(error))
    }
}
