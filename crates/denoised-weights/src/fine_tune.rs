//! Fine-tuning an adapter without measuring it, at once or in steps that survive the process.

use std::fmt;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use finetune::{ConceptTrainer, EpochLosses, Initializer, PairSet, Recipe, tensor_to_images};
use lora_gan::BaseGenerator;
use serde::Serialize;
use tensor_file::digest::Sha256;
use weight_blocks::{NamedTensors, WeightSpace};

use crate::Error;
use crate::error::Result;
use crate::run::{Lock, claim, lock_training};

/// Trains the adapter of one concept from the weights that `start` gives for the prompt of `base`; gives the weights after
/// the recipe's last epoch. `observe` sees the losses of every epoch.
///
/// `base` is the base for the prompt, as [`AdapterPredictor::prompted_base`](crate::AdapterPredictor::prompted_base) gives it.
/// `start` is an [`AdapterPredictor`](crate::AdapterPredictor) or any other [`Initializer`]: [`finetune::Zero`] (E²GAN),
/// [`finetune::Nearest`], [`finetune::ZooMean`].
///
/// # Errors
/// Returns [`Error::UnpromptedBase`] if the base is for no prompt, and [`Error::FineTune`] if the start cannot be made, the
/// recipe or the pairs do not fit, or a loss is NaN or infinite.
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
    base.prompt.as_deref().ok_or(Error::UnpromptedBase)
}

fn device_of(base: &BaseGenerator) -> Device {
    let devices = base.generator.devices();
    devices.into_iter().next().unwrap_or_default()
}

/// What a training in a folder is of.
#[derive(Serialize)]
struct Training<'a> {
    prompt: &'a str,
    start: String,
    base: &'a str,
    pairs_sha256: String,
}

/// Over the pixels, which are the same on every device.
pub(crate) fn digest_of(pairs: &PairSet) -> String {
    let mut digest = Sha256::new();
    for images in [&pairs.photos, &pairs.targets] {
        for image in tensor_to_images(images.clone()) {
            digest.update_part(image.as_raw());
        }
    }
    digest.finish_hex()
}

/// [`fine_tune`] that keeps its state in a folder: pause it by not asking for the next epoch, and continue it, in another
/// process if need be, by opening the folder again. A continued training ends with the bytes of an uninterrupted one. The
/// folder is locked until the value is dropped.
pub struct SavedFineTuning {
    trainer: ConceptTrainer,
    pairs: PairSet,
    state: PathBuf,
    epochs: usize,
    _lock: Lock,
}

/// Without the pairs.
impl fmt::Debug for SavedFineTuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedFineTuning")
            .field("trainer", &self.trainer)
            .field("state", &self.state)
            .field("epochs", &self.epochs)
            .finish_non_exhaustive()
    }
}

impl SavedFineTuning {
    /// Begins in `dir`, or continues what is there; then `start` is not asked for weights. `base` is the base for the prompt.
    /// The folder keeps the training's description (`training.json`) and its last state (`state/`).
    ///
    /// # Errors
    /// Returns [`Error::Busy`] if the folder is open already, here or in another process; [`Error::OtherRun`] if the training
    /// there is of another prompt, start, base or other pairs; [`Error::NoRunRecord`] or [`Error::BadRunFile`] if its
    /// description is missing or damaged; [`Error::UnpromptedBase`] if the base is for no prompt; [`Error::FineTune`] if the
    /// start cannot be made, the recipe does not fit or is another one than that of the state, or the state is damaged; and
    /// otherwise as [`lock_training`].
    pub fn open(
        base: &BaseGenerator,
        start: &dyn Initializer,
        pairs: &PairSet,
        recipe: &Recipe,
        dir: &Path,
    ) -> Result<Self> {
        let prompt = prompt_of(base)?;
        let lock = lock_training(dir)?;
        let state = dir.join("state");
        let begun = ConceptTrainer::has_state(&state)?;
        let training = Training {
            prompt,
            start: start.identity()?,
            base: &base.digest,
            pairs_sha256: digest_of(pairs),
        };
        claim(&dir.join("training.json"), begun, &training)?;
        let (device, generator) = (device_of(base), &base.generator);
        // A state has its own weights, and some starts cost as much as an epoch.
        let weights = match begun {
            true => generator.read_weights()?,
            false => start.start(prompt)?.weights,
        };
        Ok(Self {
            trainer: ConceptTrainer::resume(generator, &weights, recipe.clone(), &device, &state)?,
            pairs: pairs.clone(),
            state,
            epochs: recipe.epochs,
            _lock: lock,
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
    pub fn epoch(mut self, mut go_on: impl FnMut() -> bool) -> Result<Option<(Self, EpochLosses)>> {
        let observe = |_: &ConceptTrainer, _, _| if go_on() { Ok(()) } else { Err(Halt::Asked) };
        let losses = self.trainer.epoch_observed(&self.pairs, observe);
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
