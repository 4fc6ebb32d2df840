//! One step of discriminator and adapter.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use finetune::{ConceptTrainer, PairSet, Recipe};
use lora_gan::{GeneratorConfig, HybridGenerator, Pass, PatchGan, l1_loss};
use weight_blocks::{HostTensor, NamedTensors, WeightSpace};

use super::{Task, files};
use crate::{Result, random};

/// Steps whose losses are compared.
const STEPS: usize = 3;
/// Least distance of a target to the edited pixel before training.
const MARGIN: f32 = 0.01;

/// The preset with a batch of which a step takes seconds at most.
pub(super) fn recipe(paper: bool, batch: Option<usize>) -> Recipe {
    let preset = if paper {
        Recipe::paper()
    } else {
        Recipe::compact()
    };
    let batch_size = batch.unwrap_or(if paper { 1 } else { preset.batch_size });
    Recipe {
        batch_size,
        ..preset
    }
}

/// Base and adapter.
pub(super) fn prepare_adapter(config: &GeneratorConfig, dir: &Path, device: &Device) -> Result<()> {
    let base = random::base(config, device)?;
    base.export(&dir.join("base"))?;
    files::save(&dir.join("adapter.safetensors"), &random::adapter(&base)?)
}

pub(super) fn prepare(
    config: &GeneratorConfig,
    recipe: &Recipe,
    dir: &Path,
    device: &Device,
) -> Result<()> {
    prepare_adapter(config, dir, device)?;
    PatchGan::new(&recipe.discriminator, recipe.seed, device)?
        .save_state_dict(&dir.join("discriminator.safetensors"))?;
    let pairs = random::pairs(recipe.batch_size, config.image_size, device);
    let mut network = HybridGenerator::import(&dir.join("base"), device)?;
    network.load_weights(&files::read(&dir.join("adapter.safetensors"))?)?;
    let edited = network.forward(pairs.photos.clone(), None, Pass::Eval)?;
    let inputs = [
        ("photos".to_owned(), files::host(pairs.photos)?),
        ("targets".to_owned(), apart(pairs.targets, edited)?),
    ];
    files::save(&dir.join("inputs.safetensors"), &inputs.into())
}

/// `targets`, moved where a pixel is next to the edited one: the sign of their difference is L1's
/// gradient, and rounding must not decide it.
fn apart(targets: Tensor<4>, edited: Tensor<4>) -> Result<HostTensor> {
    let (mut targets, edited) = (files::host(targets)?, files::host(edited)?);
    for (target, edited) in targets.data.iter_mut().zip(edited.data) {
        if (*target - edited).abs() < MARGIN {
            *target = edited + MARGIN;
        }
    }
    Ok(targets)
}

pub(super) struct GanStep {
    trainer: ConceptTrainer,
    /// One batch: an epoch is a step, and the order of the pairs does not matter.
    pairs: PairSet,
    base: HybridGenerator,
    start: NamedTensors,
    recipe: Recipe,
    device: Device,
}

impl GanStep {
    pub(super) fn open(recipe: Recipe, dir: &Path, device: &Device) -> Result<Self> {
        let base = HybridGenerator::import(&dir.join("base"), device)?;
        let start = files::read(&dir.join("adapter.safetensors"))?;
        let inputs = files::read(&dir.join("inputs.safetensors"))?;
        Ok(Self {
            trainer: ConceptTrainer::new(&base, &start, recipe.clone(), device)?,
            pairs: PairSet {
                photos: files::tensor(&inputs, "photos", device)?,
                targets: files::tensor(&inputs, "targets", device)?,
            },
            base,
            start,
            recipe,
            device: device.clone(),
        })
    }

    /// The first losses of a new trainer, `[STEPS, 3]`.
    fn losses(&self) -> Result<HostTensor> {
        let recipe = self.recipe.clone();
        let mut trainer = ConceptTrainer::new(&self.base, &self.start, recipe, &self.device)?;
        let mut losses = Vec::new();
        for _ in 0..STEPS {
            let step = trainer.epoch(&self.pairs)?;
            losses.extend([step.l1, step.gan, step.discriminator].map(|loss| loss as f32));
        }
        Ok(HostTensor::new(vec![STEPS, 3], losses)?)
    }
}

impl Task for GanStep {
    fn run(&mut self) -> Result<()> {
        self.trainer.epoch(&self.pairs)?;
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        let device = self.device.clone().autodiff();
        let mut network = self.base.clone();
        network.load_weights(&self.start)?;
        let network = network.train().train_adapter();
        let judge = PatchGan::new(&self.recipe.discriminator, self.recipe.seed, &device)?.no_grad();
        let PairSet { photos, targets } = self.pairs.clone().autodiff();
        let edited = network.forward(photos.clone(), None, Pass::Eval)?;
        let logits = judge.forward(photos, edited.clone())?;
        let loss = l1_loss(edited.clone(), targets).mul_scalar(self.recipe.lambda_l1)
            + (self.recipe.gan_loss.generator(logits.clone())).mul_scalar(self.recipe.gan_weight);
        let mut gradients = loss.backward();
        let mut found = NamedTensors::new();
        for (name, gradient) in network.adapter_gradients(&mut gradients)? {
            found.insert(format!("gradient.{name}"), gradient);
        }
        found.insert("edited".into(), files::host(edited)?);
        found.insert("logits".into(), files::host(logits)?);
        found.insert("losses".into(), self.losses()?);
        Ok(found)
    }
}
