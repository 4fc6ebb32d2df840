//! Trains a weight generator on through what its weights do.
//!
//! ```sh
//! cargo run --release --example refine_generator -- --zoo out/zoo --generator out/denoiser --out out/weight-generator
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use concepts::{Concept, Pair, read_pair_splits, read_pairs};
use denoised_weights_examples::Result;
use denoised_weights_examples::assets::{AssetArgs, TextArgs};
use denoised_weights_examples::blocks::{ZooBlocks, subset};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::data::{Photos, edit};
use denoised_weights_examples::denoised::load_generator;
use denoised_weights_examples::sources::{Source, training_sources};
use denoised_weights_examples::training::{TrainedOn, TrainingArgs};
use finetune::{AdapterLoss, PairSet};
use image::RgbImage;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::{Layout, Zoo};
use weight_diffusion::train::LossError;
use weight_diffusion::{BlockSource, DictionaryTrainer, NetworkLoss, TrainConfig, WeightGenerator};

/// Train a weight generator's block dictionary on with another loss: the L1 between the training
/// concepts' targets and what the one-step predictions of their weights make of the photos. Run again after an interruption (kill -9 included), it goes on from its last state and ends with
/// the same weights.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    training: TrainingArgs,
    /// Folder of prepared pairs that the zoo was collected from (see collect). Without it, the
    /// shipped training concepts are edited in memory.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Learn from this many of the zoo's concepts only, as train_generator with the same --seed [default: all].
    #[arg(long, value_name = "N")]
    concepts: Option<usize>,
    /// Optimizer steps.
    #[arg(long, default_value_t = 12000)]
    steps: u64,
    /// Concepts per step, each on a thread of its own.
    #[arg(long, default_value_t = 4)]
    n_concepts: usize,
    /// Pairs per concept and step.
    #[arg(long, default_value_t = 1)]
    n_pairs: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| refine(&args))
}

fn refine(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let base = args.assets.load_base(&device)?;
    let text = args.text.load(&device)?;
    let generator = load_generator(&args.assets.generator_dir(), &base, &text, &device)?;
    let mut zoo = Zoo::open(&args.assets.zoo_dir())?;
    if let Some(count) = args.concepts {
        zoo = subset(&zoo, count, args.common.seed)?;
    }
    zoo.check(generator.layout(), &base.digest)?;
    let blocks = ZooBlocks::read(&zoo, &text, Some(generator.normalizer()), &device)?;
    let size = base.config.image_size;
    let mut loss = EditLoss {
        losses: (0..args.n_concepts.max(1))
            .map(|_| AdapterLoss::new(&base.generator, &device))
            .collect(),
        layout: generator.layout().clone(),
        sources: pair_sources(args, &blocks.concepts, size)?,
        photos: match args.pairs {
            Some(_) => Vec::new(),
            None => Photos::read(&args.assets.photos_dir(), size)?.train,
        },
        n_pairs: args.n_pairs.max(1),
        size,
        seed: args.common.seed,
        device: device.clone(),
    };
    let config = TrainConfig {
        steps: args.steps,
        batch_size: args.n_concepts,
        learning_rate: args.lr,
        weight_decay: 0.0,
        seed: args.common.seed,
        ..TrainConfig::compact()
    };
    println!("{} concepts", blocks.concepts.len());

    let dataset = &blocks.dataset;
    let unet = generator.unet();
    let start = args
        .assets
        .generator_dir()
        .join(WeightGenerator::WEIGHTS_FILE);
    let what = format!(
        "edits of {} pairs at {size} pixels from generator {}",
        args.n_pairs.max(1),
        weight_blocks::file_digest(&start)?
    );
    let data = TrainedOn::new(dataset, text.spec(), Some(what), Vec::new())?;
    let _lock = args.training.lock()?;
    let mut trainer =
        (args.training).resume_or(&config, unet.config(), dataset, &data, &device, || {
            Ok(DictionaryTrainer::from_model(
                config.clone(),
                unet,
                dataset.spec(),
                &device,
            )?)
        })?;
    let report = (args.training).run("refine", &mut trainer, dataset, |trainer| {
        Ok(trainer.step(dataset, &mut loss)?)
    })?;
    let refined = WeightGenerator::new(
        trainer.ema_model(),
        generator.layout().clone(),
        generator.normalizer().clone(),
        text.spec(),
        generator.zoo_norm(),
        zoo.base_digest(),
        generator.defaults(),
    )?
    .with_trained_norm(dataset.texts(), &device)?;
    args.common.write_json(&report)?;
    args.training.finish(&refined, &report)
}

/// What a concept's pairs are drawn from.
enum Pairs {
    /// An editor for the photos.
    Edit(Box<Concept>),
    /// Ready pairs.
    Ready(Vec<(RgbImage, RgbImage)>),
}

/// For each text of the data set its concept's pairs.
fn pair_sources(args: &Args, concepts: &[String], size: usize) -> Result<Vec<Pairs>> {
    let mut sources: BTreeMap<String, Source> = training_sources(args.pairs.as_deref(), &[])?
        .into_iter()
        .collect();
    concepts
        .iter()
        .map(|name| match sources.remove(name) {
            Some(Source::List(concept)) => Ok(Pairs::Edit(Box::new(concept))),
            Some(Source::Folder(dir, _)) => {
                let pairs: Vec<Pair> = match read_pair_splits(&dir, size)? {
                    Some(splits) => splits.train,
                    None => read_pairs(&dir, size)?,
                };
                if pairs.is_empty() {
                    return Err(format!("{}: has no training pairs", dir.display()).into());
                }
                Ok(Pairs::Ready(
                    pairs.into_iter().map(|p| (p.input, p.target)).collect(),
                ))
            }
            None => Err(format!(
                "the zoo's concept {name} has no pairs; give the folder it was collected from with --pairs"
            )
            .into()),
        })
        .collect()
}

/// L1 of the edits that predicted weights do.
struct EditLoss {
    /// One per thread.
    losses: Vec<AdapterLoss>,
    layout: Layout,
    sources: Vec<Pairs>,
    photos: Vec<RgbImage>,
    n_pairs: usize,
    size: usize,
    seed: u64,
    device: Device,
}

impl EditLoss {
    /// Pairs that the seed, the step and the concept pick.
    fn pairs(&self, step: u64, text: usize) -> Result<PairSet> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(step);
        let source = self.sources.get(text).ok_or("a text without a concept")?;
        let pairs = match source {
            Pairs::Edit(concept) => {
                let picked: Vec<RgbImage> = (0..self.n_pairs)
                    .filter_map(|_| self.photos.choose(&mut rng).cloned())
                    .collect();
                edit(&picked, concept)
            }
            Pairs::Ready(pairs) => (0..self.n_pairs)
                .map(|_| pairs[rng.random_range(0..pairs.len())].clone())
                .collect(),
        };
        Ok(PairSet::new(&pairs, self.size, &self.device)?)
    }
}

impl NetworkLoss for EditLoss {
    fn values_and_gradients(
        &mut self,
        step: u64,
        texts: &[usize],
        weights: &[Vec<f32>],
    ) -> Result<Vec<(f64, Vec<f32>)>, LossError> {
        let pairs = texts
            .iter()
            .map(|&text| self.pairs(step, text))
            .collect::<Result<Vec<_>>>()?;
        let layout = &self.layout;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (self.losses.iter_mut().zip(weights).zip(&pairs))
                .map(|((loss, weights), pairs)| {
                    scope.spawn(move || -> Result<(f64, Vec<f32>)> {
                        let weights = layout.decode(weights)?;
                        let (value, gradient) = loss.value_and_gradient(&weights, pairs)?;
                        Ok((value, layout.encode(&gradient)?))
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    (thread.join()).unwrap_or_else(|_| Err("a thread of the loss panicked".into()))
                })
                .collect()
        })
    }
}
