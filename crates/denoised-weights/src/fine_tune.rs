//! Fine-tuning an adapter without measuring it.

use burn::module::Module;
use finetune::{ConceptTrainer, EpochLosses, Initializer, PairSet, Recipe};
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;

use crate::error::Result;

/// Trains the adapter of one concept from the weights that `start` gives for `prompt`; gives the weights after the
/// recipe's last epoch. `observe` sees the losses of every epoch.
///
/// `start` is an [`AdapterPredictor`](crate::AdapterPredictor) or any other [`Initializer`]: [`finetune::Zero`] (E²GAN),
/// [`finetune::Nearest`], [`finetune::ZooMean`].
///
/// # Errors
/// Returns [`Error::FineTune`](crate::Error::FineTune) if the start cannot be made, the recipe or the pairs do not fit,
/// or a loss is NaN or infinite.
pub fn fine_tune(
    base: &BaseGenerator,
    start: &dyn Initializer,
    prompt: &str,
    pairs: &PairSet,
    recipe: &Recipe,
    mut observe: impl FnMut(&EpochLosses),
) -> Result<NamedTensors> {
    let device = base
        .generator
        .devices()
        .into_iter()
        .next()
        .unwrap_or_default();
    let start = start.start(prompt)?.weights;
    let mut trainer = ConceptTrainer::new(&base.generator, &start, recipe.clone(), &device)?;
    for _ in 0..recipe.epochs {
        observe(&trainer.epoch(pairs)?);
    }
    Ok(trainer.adapter()?)
}
