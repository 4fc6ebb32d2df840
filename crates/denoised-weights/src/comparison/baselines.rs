//! The networks that the paper compares with, trained for one concept. A run continues after its last whole epoch.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use burn::module::Module;
use finetune::{ConceptTrainer, GanTrainer, ImageTranslator, PairDiscriminator, Recipe};
use gan_baselines::{CoModConfig, CoModDiscriminator, CoModGenerator, ResnetGenerator};
use image::RgbImage;
use lora_gan::{BaseGenerator, PatchGan};
use serde::Serialize;
use weight_blocks::WeightSpace;

use super::{Comparison, Measurement};
use crate::error::Result;
use crate::run::write_json;
use crate::{Error, Preset};

/// What to train.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Baseline {
    /// The ResNet generator and PatchGAN of Isola et al. (2017), from scratch.
    Pix2pix,
    /// The co-modulated GAN of Zhao et al. (2021; pix2pix-zero-distilled's network), from scratch.
    Comod,
    /// LoRA on the frozen base, from zero.
    E2gan,
}

/// The measurements so far, in the state's folder. The file is written before the first step: without it there is
/// nothing to continue.
pub const CURVE_FILE: &str = "curve.json";

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Baseline {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::UnknownName {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pix2pix, Self::Comod, Self::E2gan];

    /// The name in reports: `pix2pix`, `comod`, `e2gan`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pix2pix => "pix2pix",
            Self::Comod => "comod",
            Self::E2gan => "e2gan",
        }
    }

    /// Its recipe at `preset`. Co-Mod-GAN has only one, [`Recipe::comod_compact`], which is meant for 64×64 images on a CPU:
    /// at the other presets, its network is larger ([`Preset::comod`]), but its recipe is neither tuned for them nor the
    /// paper's.
    pub fn recipe(self, preset: Preset) -> Recipe {
        match self {
            Self::Pix2pix => preset.pix2pix_training(),
            Self::Comod => Recipe::comod_compact(),
            Self::E2gan => preset.fine_tuning(),
        }
    }

    /// Configurations of the networks that train.
    pub fn configs(self, recipe: &Recipe, base: &BaseGenerator) -> serde_json::Value {
        let preset = Preset::of(&base.config);
        match self {
            Self::Pix2pix => serde_json::json!({
                "generator": preset.pix2pix(),
                "discriminator": recipe.discriminator,
            }),
            // One configuration for both.
            Self::Comod => serde_json::json!({
                "generator": preset.comod(),
                "discriminator": preset.comod(),
            }),
            Self::E2gan => serde_json::json!({
                "generator": base.config,
                "base_sha256": base.digest,
                "discriminator": recipe.discriminator,
            }),
        }
    }

    /// Checks, before anything is trained, that the network takes batches of `batch` of `pairs` pairs: Co-Mod-GAN's
    /// minibatch deviation needs whole groups, in the last batch of an epoch too.
    ///
    /// # Errors
    /// Returns [`Error::BatchSize`], which tells what to set.
    pub fn check_batches(self, pairs: usize, batch: usize) -> Result<()> {
        if self != Self::Comod {
            return Ok(());
        }
        // All presets have the same groups.
        let config = CoModConfig::compact();
        let (full, last) = (batch.min(pairs), pairs % batch.max(1));
        match [full, last]
            .into_iter()
            .find(|size| *size > 0 && !config.takes_batch(*size))
        {
            None => Ok(()),
            Some(size) => Err(Error::BatchSize {
                pairs,
                batch,
                size,
                group: config.minibatch_group,
            }),
        }
    }
}

/// A trained network's figures and pictures.
pub struct Trained {
    /// Measured at the start and after each epoch.
    pub curve: Vec<Measurement>,
    /// The shown photos before the first step.
    pub untrained: Vec<RgbImage>,
    /// The shown photos after the last epoch.
    pub edited: Vec<RgbImage>,
    /// Weights of the generator.
    pub weights: usize,
}

/// Without the pictures.
impl fmt::Debug for Trained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trained")
            .field("curve", &self.curve)
            .field("weights", &self.weights)
            .finish_non_exhaustive()
    }
}

/// Trains, or continues from the state in the folder `state`; the state stays, for the caller to
/// [discard](crate::run::discard) once the result is kept. Measuring is outside the clock; `observe` sees each
/// measurement.
///
/// # Errors
/// Returns [`Error::BatchSize`]; [`Error::FineTune`] if the state belongs to another recipe or is damaged, or the training
/// fails; [`Error::Baseline`] or [`Error::Network`] if a network cannot be built; [`Error::NoRunRecord`] or [`Error::BadRunFile`] if the
/// measurements of the state are missing or damaged.
pub fn train(
    baseline: Baseline,
    comparison: &Comparison<'_>,
    state: &Path,
    observe: impl FnMut(&Measurement),
) -> Result<Trained> {
    let (recipe, device) = (comparison.recipe, comparison.device);
    recipe.validate()?;
    baseline.check_batches(comparison.pairs.train.len(), recipe.batch_size)?;
    let seed = recipe.seed;
    let preset = Preset::of(&comparison.base.config);
    match baseline {
        Baseline::Pix2pix => {
            let generator = ResnetGenerator::new(&preset.pix2pix(), seed, device)?;
            let discriminator = PatchGan::new(&recipe.discriminator, seed, device)?;
            let fresh = GanTrainer::from_scratch(generator, discriminator, recipe.clone())?;
            let untrained = comparison.draw(&fresh)?;
            run(comparison, fresh.resumed(state)?, state, untrained, observe)
        }
        Baseline::Comod => {
            let config = preset.comod();
            let generator = CoModGenerator::new(&config, seed, device)?;
            let discriminator = CoModDiscriminator::new(&config, seed, device)?;
            let fresh = GanTrainer::from_scratch(generator, discriminator, recipe.clone())?;
            let untrained = comparison.draw(&fresh)?;
            run(comparison, fresh.resumed(state)?, state, untrained, observe)
        }
        Baseline::E2gan => {
            comparison.base.check_prompt()?;
            let base = &comparison.base.generator;
            let start = base.read_weights()?;
            let recipe = || recipe.clone();
            let fresh = ConceptTrainer::new(base, &start, recipe(), device)?;
            let untrained = comparison.draw(&fresh)?;
            let trainer = ConceptTrainer::resume(base, &start, recipe(), device, state)?;
            run(comparison, trainer, state, untrained, observe)
        }
    }
}

fn run<G, D>(
    comparison: &Comparison<'_>,
    mut trainer: GanTrainer<G, D>,
    state: &Path,
    untrained: Vec<RgbImage>,
    mut observe: impl FnMut(&Measurement),
) -> Result<Trained>
where
    G: ImageTranslator + Module,
    D: PairDiscriminator + Module,
{
    let path = state.join(CURVE_FILE);
    let mut curve = read_curve(&path, trainer.epochs_done())?;
    // A run that ended between saving the state and the curve measures that epoch again.
    curve.retain(|point| point.epoch < trainer.epochs_done() as f64);
    loop {
        let epoch = trainer.epochs_done();
        let quality = comparison.evaluator.measure(&trainer.generator())?;
        let point = Measurement::new(epoch as f64, trainer.train_seconds(), &quality);
        observe(&point);
        curve.push(point);
        write_json(&path, &curve)?;
        if epoch >= comparison.recipe.epochs {
            break;
        }
        trainer.epoch(&comparison.pairs.train)?;
        trainer.save_state(state)?;
    }
    Ok(Trained {
        curve,
        untrained,
        edited: comparison.draw(&trainer)?,
        weights: trainer.generator().num_params(),
    })
}

fn read_curve(path: &Path, epochs_done: usize) -> Result<Vec<Measurement>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| Error::BadRunFile {
            path: path.to_owned(),
            source,
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && epochs_done == 0 => Ok(Vec::new()),
        Err(source) => Err(Error::NoRunRecord {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn co_mod_gan_refuses_batches_of_no_whole_groups() {
        let check = |pairs, batch| Baseline::Comod.check_batches(pairs, batch);
        for (pairs, batch) in [(64, 4), (64, 8), (66, 8), (3, 8), (60, 16), (5, 3)] {
            check(pairs, batch).unwrap();
        }
        for (pairs, batch, size) in [(62, 8, 6), (64, 6, 6), (7, 8, 7)] {
            let error = check(pairs, batch).unwrap_err().to_string();
            assert!(error.contains(&format!("give one of {size};")), "{error}");
        }
        Baseline::Pix2pix.check_batches(62, 8).unwrap();
    }
}
