//! The networks that the paper compares with, trained for one concept; a run goes on after its last
//! whole epoch.

use std::path::Path;

use burn::module::Module;
use clap::ValueEnum;
use finetune::{ConceptTrainer, GanTrainer, ImageTranslator, PairDiscriminator, Recipe};
use gan_baselines::{
    CoModConfig, CoModDiscriminator, CoModGenerator, ResnetConfig, ResnetGenerator,
};
use image::RgbImage;
use lora_gan::{BaseGenerator, PatchGan};
use serde::Serialize;
use weight_blocks::WeightSpace;

use crate::report::Point;
use crate::rivals::Setup;
use crate::{Result, files};

/// What to train.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[value(rename_all = "lower")]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The ResNet generator and PatchGAN of Isola et al., from scratch.
    Pix2pix,
    /// The co-modulated GAN of Zhao et al. (pix2pix-zero-distilled's network), from scratch.
    Comod,
    /// LoRA on the frozen base, from zero.
    E2gan,
}

/// What was measured so far, in the state's folder: written before the first step, so that without it
/// there is nothing to go on from.
pub const CURVE: &str = "curve.json";

impl Network {
    /// As on the command line.
    pub fn name(self) -> String {
        (self.to_possible_value()).map_or_else(String::new, |v| v.get_name().to_owned())
    }

    /// Its recipe at the compact preset.
    pub fn recipe(self) -> Recipe {
        match self {
            Self::Pix2pix => Recipe::pix2pix_compact(),
            Self::Comod => Recipe::comod_compact(),
            Self::E2gan => Recipe::compact(),
        }
    }

    /// Configurations of the networks that train.
    pub fn configs(self, recipe: &Recipe, base: &BaseGenerator) -> serde_json::Value {
        match self {
            Self::Pix2pix => serde_json::json!({
                "generator": ResnetConfig::compact(),
                "discriminator": recipe.discriminator,
            }),
            // One configuration for both.
            Self::Comod => serde_json::json!({
                "generator": CoModConfig::compact(),
                "discriminator": CoModConfig::compact(),
            }),
            Self::E2gan => serde_json::json!({
                "generator": base.config,
                "base_sha256": base.digest,
                "discriminator": recipe.discriminator,
            }),
        }
    }

    /// Refuses, before anything is trained, batches of `pairs` that the network cannot take: Co-Mod-GAN's
    /// minibatch deviation wants whole groups, in the last batch of an epoch too.
    ///
    /// # Errors
    /// Says which batch it is and what to set.
    pub fn check_batches(self, pairs: usize, batch: usize) -> Result<()> {
        if self != Self::Comod {
            return Ok(());
        }
        let config = CoModConfig::compact();
        let (full, last) = (batch.min(pairs), pairs % batch.max(1));
        match [full, last]
            .into_iter()
            .find(|size| *size > 0 && !config.takes_batch(*size))
        {
            None => Ok(()),
            Some(size) => Err(format!(
                "{pairs} training pairs in batches of {batch} give one of {size}; Co-Mod-GAN's discriminator takes \
                 batches below {group} or multiples of {group}: set --n-train and --batch-size to multiples of {group}",
                group = config.minibatch_group
            )
            .into()),
        }
    }
}

/// What a trained network gave.
pub struct Trained {
    /// Measured at the start and after each epoch.
    pub curve: Vec<Point>,
    /// The shown photos before the first step.
    pub untrained: Vec<RgbImage>,
    /// The shown photos after the last epoch.
    pub edited: Vec<RgbImage>,
    /// Weights of the generator.
    pub weights: usize,
}

/// Trains, or goes on where `state` lies; the state stays, for the caller to [discard](files::discard)
/// once the result is kept. Measuring is outside the clock.
///
/// # Errors
/// Where the state does not fit or is damaged, a network cannot be made, or training fails.
pub fn train(
    network: Network,
    setup: &Setup<'_>,
    state: &Path,
    observe: impl FnMut(&Point),
) -> Result<Trained> {
    let Setup { recipe, device, .. } = *setup;
    recipe.validate()?;
    network.check_batches(setup.pairs.train.len(), recipe.batch_size)?;
    let seed = recipe.seed;
    match network {
        Network::Pix2pix => {
            let generator = ResnetGenerator::new(&ResnetConfig::compact(), seed, device)?;
            let discriminator = PatchGan::new(&recipe.discriminator, seed, device)?;
            let fresh = GanTrainer::from_scratch(generator, discriminator, recipe.clone(), device)?;
            let untrained = setup.draw(&fresh)?;
            run(setup, fresh.resumed(state)?, state, untrained, observe)
        }
        Network::Comod => {
            let config = CoModConfig::compact();
            let generator = CoModGenerator::new(&config, seed, device)?;
            let discriminator = CoModDiscriminator::new(&config, seed, device)?;
            let fresh = GanTrainer::from_scratch(generator, discriminator, recipe.clone(), device)?;
            let untrained = setup.draw(&fresh)?;
            run(setup, fresh.resumed(state)?, state, untrained, observe)
        }
        Network::E2gan => {
            let start = setup.base.read_weights()?;
            let recipe = || recipe.clone();
            let untrained =
                setup.draw(&ConceptTrainer::new(setup.base, &start, recipe(), device)?)?;
            let trainer = ConceptTrainer::resume(setup.base, &start, recipe(), device, state)?;
            run(setup, trainer, state, untrained, observe)
        }
    }
}

fn run<G, D>(
    setup: &Setup<'_>,
    mut trainer: GanTrainer<G, D>,
    state: &Path,
    untrained: Vec<RgbImage>,
    mut observe: impl FnMut(&Point),
) -> Result<Trained>
where
    G: ImageTranslator + Module,
    D: PairDiscriminator + Module,
{
    let measured = state.join(CURVE);
    let mut curve: Vec<Point> = match std::fs::read(&measured) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| format!("{}: {e}; remove the folder", measured.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && trainer.epochs_done() == 0 => {
            Vec::new()
        }
        Err(e) => {
            return Err(format!("{}: {e}; remove the folder", measured.display()).into());
        }
    };
    // A run that ended between saving the state and the curve measures that epoch again.
    curve.retain(|point| point.epoch < trainer.epochs_done() as f64);
    loop {
        let epoch = trainer.epochs_done();
        let quality = setup.held_out.measure(&trainer.generator())?;
        let point = Point::new(epoch as f64, trainer.train_seconds(), &quality);
        observe(&point);
        curve.push(point);
        files::write_json(&measured, &curve)?;
        if epoch >= setup.recipe.epochs {
            break;
        }
        trainer.epoch(&setup.pairs.train)?;
        trainer.save_state(state)?;
    }
    Ok(Trained {
        curve,
        untrained,
        edited: setup.draw(&trainer)?,
        weights: trainer.generator().num_params(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn co_mod_gan_refuses_batches_of_no_whole_groups() {
        let check = |pairs, batch| Network::Comod.check_batches(pairs, batch);
        for (pairs, batch) in [(64, 4), (64, 8), (66, 8), (3, 8), (60, 16), (5, 3)] {
            check(pairs, batch).unwrap();
        }
        for (pairs, batch, size) in [(62, 8, 6), (64, 6, 6), (7, 8, 7)] {
            let error = check(pairs, batch).unwrap_err().to_string();
            assert!(error.contains(&format!("give one of {size};")), "{error}");
        }
        Network::Pix2pix.check_batches(62, 8).unwrap();
    }
}
