//! The networks that the paper compares with, trained for one concept.
//!
//! ```sh
//! cargo run --release --example train_baseline -- --network pix2pix
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clap::{Parser, ValueEnum};
use clean_fid::FeatureNet;
use concepts::{art_concepts, find};
use denoised_weights_examples::assets::{AssetArgs, display};
use denoised_weights_examples::cli::{Common, run};
use denoised_weights_examples::data::{ConceptPairs, Counts, Photos};
use denoised_weights_examples::identity::claim;
use denoised_weights_examples::picture::{Chart, Column, Line, write_chart, write_grid};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::{
    ConceptTrainer, GanTrainer, HeldOut, ImageTranslator, PairDiscriminator, Quality, Recipe,
    images_to_tensor, tensor_to_images, translate,
};
use image::RgbImage;
use lora_gan::{
    CoModConfig, CoModDiscriminator, CoModGenerator, PatchGan, ResnetConfig, ResnetGenerator,
};
use serde::{Deserialize, Serialize};
use weight_blocks::WeightSpace;

/// Train one of the paper's rivals on the pairs of one concept: pix2pix or Co-Mod-GAN from scratch,
/// or E²GAN's LoRA from zero on the frozen base. Writes report.json, curve.svg and grid.png. Run
/// again after an interruption, it goes on after the last whole epoch.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    /// What to train.
    #[arg(long, value_enum)]
    network: Network,
    /// A concept of the shipped list.
    #[arg(long, default_value = "teal-charcoal-sketch", conflicts_with = "pairs")]
    concept: String,
    /// Your own pairs: DIR/input/NAME.* and DIR/target/NAME.*, side-by-side files, or
    /// train/val/test subfolders of these.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Epochs.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Pairs per step [default: the network's].
    #[arg(long)]
    batch_size: Option<usize>,
    /// Learning rate of the generator [default: the network's].
    #[arg(long)]
    lr: Option<f64>,
    /// Training pairs.
    #[arg(long, default_value_t = 64)]
    n_train: usize,
    /// Test pairs.
    #[arg(long, default_value_t = 60)]
    n_test: usize,
    /// Folder to write to [default: out/NETWORK].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[value(rename_all = "lower")]
#[serde(rename_all = "lowercase")]
enum Network {
    /// The ResNet generator and PatchGAN of Isola et al., from scratch.
    Pix2pix,
    /// The co-modulated GAN of Zhao et al. (pix2pix-zero-distilled's network), from scratch.
    Comod,
    /// LoRA on the frozen base, from zero.
    E2gan,
}

impl Network {
    /// As on the command line.
    fn name(self) -> String {
        (self.to_possible_value()).map_or_else(String::new, |v| v.get_name().to_owned())
    }
}

/// Rows of grid.png.
const SHOWN: usize = 5;
/// What was measured so far, in the state's folder.
const CURVE: &str = "curve.json";

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| baseline(&args))
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    device: String,
    network: Network,
    concept: String,
    quality: String,
    /// Its `discriminator` is there where a PatchGAN trained.
    recipe: serde_json::Value,
    /// Configurations of the networks that trained.
    configs: serde_json::Value,
    curve: Vec<Point>,
}

#[derive(Serialize, Deserialize)]
struct Point {
    epoch: usize,
    /// Training alone.
    seconds: f64,
    quality: Quality,
}

fn baseline(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let base = args.assets.load_base(&device)?;
    let size = base.config.image_size;
    let seed = args.common.seed;
    let recipe = match args.network {
        Network::Pix2pix => Recipe::pix2pix_compact(),
        Network::Comod => Recipe::comod_compact(),
        Network::E2gan => Recipe::compact(),
    };
    let recipe = Recipe {
        epochs: args.epochs,
        batch_size: args.batch_size.unwrap_or(recipe.batch_size),
        lr_generator: args.lr.unwrap_or(recipe.lr_generator),
        seed,
        ..recipe
    };
    recipe.validate()?;
    let configs = match args.network {
        Network::Pix2pix => serde_json::json!({
            "generator": ResnetConfig::compact(),
            "discriminator": recipe.discriminator,
        }),
        // One configuration for both.
        Network::Comod => serde_json::json!({
            "generator": CoModConfig::compact(),
            "discriminator": CoModConfig::compact(),
        }),
        Network::E2gan => serde_json::json!({
            "generator": base.config,
            "base_sha256": base.digest,
            "discriminator": recipe.discriminator,
        }),
    };
    let run = Run::new(args, recipe, configs, size, &device)?;
    let state = run.state();
    if args.network == Network::Comod {
        let (pairs, batch) = (run.pairs.train.len(), run.recipe.batch_size);
        check_batches(&CoModConfig::compact(), pairs, batch)?;
    }
    // The curve is written before the first step: without it there is nothing to go on from.
    let begun = state.join(CURVE).exists();
    let _lock = files::Lock::of_run(&run.out)?;
    claim(&state.join("run.json"), begun, &run.identity()?)?;
    match args.network {
        Network::Pix2pix => {
            let generator = ResnetGenerator::new(&ResnetConfig::compact(), seed, &device)?;
            let discriminator = PatchGan::new(&run.recipe.discriminator, seed, &device)?;
            run.train(
                GanTrainer::from_scratch(generator, discriminator, run.recipe.clone(), &device)?
                    .resumed(&state)?,
            )
        }
        Network::Comod => {
            let config = CoModConfig::compact();
            let generator = CoModGenerator::new(&config, seed, &device)?;
            let discriminator = CoModDiscriminator::new(&config, seed, &device)?;
            run.train(
                GanTrainer::from_scratch(generator, discriminator, run.recipe.clone(), &device)?
                    .resumed(&state)?,
            )
        }
        Network::E2gan => {
            let start = base.generator.read_weights()?;
            let recipe = run.recipe.clone();
            run.train(ConceptTrainer::resume(
                &base.generator,
                &start,
                recipe,
                &device,
                &state,
            )?)
        }
    }
}

/// Refuses batches that the minibatch deviation cannot take, the last of an epoch included, before
/// anything is trained.
fn check_batches(config: &CoModConfig, pairs: usize, batch: usize) -> Result<()> {
    let (full, last) = (batch.min(pairs), pairs % batch);
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

/// What the networks share.
struct Run<'a> {
    args: &'a Args,
    out: PathBuf,
    recipe: Recipe,
    configs: serde_json::Value,
    pairs: ConceptPairs,
    network: clean_fid::EfficientNetLite0,
    shown: Tensor<4>,
}

impl<'a> Run<'a> {
    fn new(
        args: &'a Args,
        recipe: Recipe,
        configs: serde_json::Value,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        let counts = Counts {
            train: args.n_train,
            test: args.n_test,
            shown: SHOWN,
        };
        let pairs = match &args.pairs {
            Some(dir) => ConceptPairs::folder(dir, "", counts, size, device)?,
            None => {
                let list = art_concepts();
                let concept = find(&list, &args.concept)?;
                let photos = Photos::read(&args.assets.photos_dir(), size)?;
                let (train, test) = (&photos.train, &photos.test);
                ConceptPairs::edited(concept, train, test, counts, size, device)?
            }
        };
        let inputs: Vec<&RgbImage> = pairs.shown.iter().map(|pair| &pair.0).collect();
        let name = args.network.name();
        Ok(Self {
            out: (args.out.clone()).unwrap_or_else(|| Path::new("out").join(name)),
            args,
            recipe,
            configs,
            shown: images_to_tensor(&inputs, size, device)?,
            pairs,
            network: args.assets.load_features(device)?,
        })
    }

    fn state(&self) -> PathBuf {
        self.out.join("state")
    }

    /// What a state belongs to, beside its recipe.
    fn identity(&self) -> Result<serde_json::Value> {
        let pairs = match &self.args.pairs {
            Some(dir) => std::fs::canonicalize(dir)
                .map_err(|e| format!("{}: {e}", dir.display()))?
                .display()
                .to_string(),
            None => self.pairs.name.clone(),
        };
        Ok(serde_json::json!({
            "network": self.args.network,
            "pairs": pairs,
            "n_train": self.pairs.train.len(),
            "n_test": self.args.n_test,
            "configs": self.configs,
        }))
    }

    fn train<G, D>(&self, mut trainer: GanTrainer<G, D>) -> Result<()>
    where
        G: ImageTranslator + Module,
        D: PairDiscriminator + Module,
    {
        let held_out = HeldOut::new(&self.network, &self.pairs.test)?;
        let state = self.state();
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
        curve.retain(|point| point.epoch < trainer.epochs_done());
        println!(
            "{:?} for {}: {} training pairs, {} test pairs, {} weights in the generator",
            self.args.network,
            self.pairs.name,
            self.pairs.train.len(),
            self.pairs.test.len(),
            trainer.generator().num_params()
        );
        let total = self.recipe.epochs;
        let mut progress = Progress::new("train", total as u64, trainer.epochs_done() as u64);
        loop {
            let quality = held_out.measure(&trainer.generator())?;
            let (epoch, seconds) = (trainer.epochs_done(), trainer.train_seconds());
            let note = format!(
                "{} {:.2}, L1 {:.4}",
                held_out.metric_name(),
                quality.frechet,
                quality.l1
            );
            progress.set(epoch as u64, note);
            curve.push(Point {
                epoch,
                seconds,
                quality,
            });
            files::write_json(&measured, &curve)?;
            if epoch >= total {
                break;
            }
            trainer.epoch(&self.pairs.train)?;
            trainer.save_state(&state)?;
        }
        progress.finish();
        self.write(&trainer, &held_out, curve)?;
        files::discard(&state)?;
        println!("wrote {}", display(&self.out));
        Ok(())
    }

    fn write<G, D>(
        &self,
        trainer: &GanTrainer<G, D>,
        held_out: &HeldOut<'_>,
        curve: Vec<Point>,
    ) -> Result<()>
    where
        G: ImageTranslator + Module,
        D: PairDiscriminator + Module,
    {
        let edited = tensor_to_images(translate(&trainer.generator(), &self.shown)?);
        let (photos, targets) = self.pairs.shown.iter().cloned().unzip();
        let epochs = format!("epoch {}", self.recipe.epochs);
        write_grid(
            &self.out.join("grid.png"),
            &[
                Column::new("photo", photos),
                Column::new("target", targets),
                Column::new(epochs, edited),
            ],
        )?;
        let quality = held_out.metric_name();
        let line = Line {
            name: format!("{:?}", self.args.network).to_lowercase(),
            points: curve
                .iter()
                .map(|p| (p.seconds, p.quality.frechet))
                .collect(),
            bold: true,
        };
        let chart = Chart {
            title: &format!("{} — {quality}, lower is better", self.pairs.name),
            x: "seconds of training",
            y: &quality,
            lines: vec![line],
        };
        write_chart(&self.out.join("curve.svg"), &chart)?;
        let mut recipe = serde_json::to_value(&self.recipe)?;
        if let (Network::Comod, Some(fields)) = (self.args.network, recipe.as_object_mut()) {
            fields.remove("discriminator");
        }
        let report = Report {
            seed: self.recipe.seed,
            device: self.args.common.device.clone(),
            network: self.args.network,
            concept: self.pairs.name.clone(),
            quality: self.network.metric_name("frechet"),
            recipe,
            configs: self.configs.clone(),
            curve,
        };
        files::write_json(&self.out.join("report.json"), &report)?;
        self.args.common.write_json(&report)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn co_mod_gan_refuses_batches_of_no_whole_groups() {
        let check = |pairs, batch| check_batches(&CoModConfig::compact(), pairs, batch);
        for (pairs, batch) in [(64, 4), (64, 8), (66, 8), (3, 8), (60, 16), (5, 3)] {
            check(pairs, batch).unwrap();
        }
        for (pairs, batch, size) in [(62, 8, 6), (64, 6, 6), (7, 8, 7)] {
            let error = check(pairs, batch).unwrap_err().to_string();
            assert!(error.contains(&format!("give one of {size};")), "{error}");
        }
    }
}
