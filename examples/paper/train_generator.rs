//! Trains the weight generator on a zoo.
//!
//! ```sh
//! cargo run --release --example train_generator -- --zoo out/zoo --out out/weight-generator
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use denoised_weights::training::{GeneratorTraining, hold_out, subset, train};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::options::{TextArgs, at_least, zoo_files};
use denoised_weights_examples::training::{TrainingArgs, TrainingProgress};
use weight_blocks::{Layout, Zoo};
use weight_diffusion::train::EarlyStop;
use weight_diffusion::{Error, Parameterization, SampleOptions, TrainConfig, UNet1dConfig};

/// Train the 1-D UNet on the blocks of a zoo (paper, Eq. 1). After an interruption (kill -9 included), the
/// same command continues from the last saved state and ends with the same weights.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    training: TrainingArgs,
    /// The zoo to learn from.
    #[arg(long, value_name = "DIR")]
    zoo: PathBuf,
    /// Learn from only this many of the zoo's concepts, drawn with --seed [default: all].
    #[arg(
        long,
        value_name = "N",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    concepts: Option<usize>,
    /// Optimizer steps.
    #[arg(
        long,
        default_value_t = 4000,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    steps: u64,
    /// The training as the paper states it: noise prediction (Eq. 1), uniform timesteps, batches of 512, AdamW at a constant
    /// 1e-5 with weight decay 0.01, one output layer.
    #[arg(long, conflicts_with_all = ["batch_size", "lr", "weight_decay", "text_dropout", "prediction", "min_snr"])]
    paper_recipe: bool,
    /// Blocks per step.
    #[arg(
        long,
        default_value_t = TrainConfig::compact().batch_size,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    batch_size: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 2e-3, allow_negative_numbers = true)]
    lr: f64,
    /// AdamW's weight decay.
    #[arg(long, default_value_t = TrainConfig::compact().weight_decay, allow_negative_numbers = true)]
    weight_decay: f64,
    /// Width of the UNet.
    #[arg(long, default_value_t = 64)]
    channels: usize,
    /// Weights per position of the UNet; a divisor of the block size.
    #[arg(long, default_value_t = 64)]
    patch_size: usize,
    /// One output layer for all blocks, as in the paper, and none for each block index. Always so above 4,096 blocks.
    #[arg(long)]
    shared_output: bool,
    /// The generator's default timestep of the one denoising step [default: the noise end, T - 1].
    #[arg(long)]
    t: Option<usize>,
    /// What the network predicts: the noise (the paper), the weights, v, or v from a scaled input.
    #[arg(long, value_enum, default_value_t = Prediction::Skip)]
    prediction: Prediction,
    /// Gamma of min-SNR weighting, for sampling in several steps [default: none].
    #[arg(long, value_name = "GAMMA")]
    min_snr: Option<f64>,
    /// Share of rows trained without their text, for classifier-free guidance.
    #[arg(long, default_value_t = TrainConfig::compact().text_dropout, allow_negative_numbers = true)]
    text_dropout: f64,
    /// The generator's default guidance scale.
    #[arg(long, default_value_t = 1.0)]
    guidance: f64,
    /// Hold concepts out, and stop after this many evaluations without a new lowest loss on them; the
    /// best weights are kept.
    #[arg(long, value_name = "PATIENCE")]
    early_stop: Option<u32>,
    /// Steps between evaluations on the held-out concepts.
    #[arg(
        long,
        requires = "early_stop",
        default_value_t = EarlyStop::default().every,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    evaluate_every: u64,
    /// Prompts to hold out for --early-stop.
    #[arg(
        long,
        requires = "early_stop",
        default_value_t = 10,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    validation_prompts: usize,
    /// Another device that computes a part of each batch (data-parallel); may be given several times.
    #[arg(long, value_name = "DEVICE")]
    with_device: Vec<String>,
    /// Read blocks from the zoo's files as they are needed, for zoos that do not fit into memory.
    #[arg(long)]
    stream: bool,
}

/// Most blocks that get an output layer each: their weights grow with the network that is predicted.
const MOST_HEADS: usize = 4096;

#[derive(Clone, Copy, ValueEnum)]
enum Prediction {
    Epsilon,
    Sample,
    Velocity,
    Skip,
}

impl From<Prediction> for Parameterization {
    fn from(prediction: Prediction) -> Self {
        match prediction {
            Prediction::Epsilon => Self::Epsilon,
            Prediction::Sample => Self::Sample,
            Prediction::Velocity => Self::Velocity,
            Prediction::Skip => Self::Skip,
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| train_generator(&args))
}

fn train_generator(args: &Args) -> Result<()> {
    let places = Places::new()
        .reads_all(zoo_files(&args.zoo))
        .reads_all(args.text.folder())
        .writes_all(args.training.outputs());
    args.common.check_places(places)?;
    let device = args.common.device()?;
    let others = (args.with_device.iter())
        .map(|name| device_names::open(name))
        .collect::<Result<Vec<_>, _>>()?;
    let of_zoo = |e| format!("{}: {e}", args.zoo.display());
    let mut zoo = Zoo::open(&args.zoo)?;
    if let Some(count) = args.concepts {
        zoo = subset(&zoo, count, args.common.seed).map_err(of_zoo)?;
    }
    let text = args.text.load(&device)?;
    let (zoo, held_out) = match args.early_stop {
        None => (zoo, None),
        Some(_) => {
            let (count, seed) = (args.validation_prompts, args.common.seed);
            let (rest, held_out) = hold_out(&zoo, count, seed).map_err(of_zoo)?;
            (rest, Some(held_out))
        }
    };
    let unet = args.unet(zoo.layout(), text.id().width);
    let training = GeneratorTraining {
        zoo: &zoo,
        held_out: held_out.as_ref(),
        encoder: &text,
        stream: args.stream,
        defaults: args.sampling(&unet)?,
        unet,
        config: args.config(),
        other_devices: &others,
    };
    let mut progress = TrainingProgress::new("generator");
    let folder = args.training.folder();
    let trained = train(&training, &folder, &device, &mut |event| {
        progress.show(event)
    });
    let (_, report) = trained.map_err(|error| match error {
        denoised_weights::Error::WeightGenerator(error @ Error::DeviceFailed { index, .. }) => {
            format!("--with-device {}: {error}", args.with_device[index]).into()
        }
        other => Box::<dyn std::error::Error + Send + Sync>::from(other),
    })?;
    args.common.write_json(&report)?;
    args.training.report(&report)
}

impl Args {
    fn unet(&self, layout: &Layout, text_width: usize) -> UNet1dConfig {
        let shared = self.shared_output || self.paper_recipe;
        UNet1dConfig {
            base_channels: self.channels,
            patch_size: self.patch_size,
            context_width: text_width,
            block_heads: Some(layout.blocks()).filter(|n| !shared && *n <= MOST_HEADS),
            block_size: layout.block_size(),
            parameterization: match self.paper_recipe {
                true => Parameterization::Epsilon,
                false => self.prediction.into(),
            },
            ..UNet1dConfig::compact()
        }
    }

    fn config(&self) -> TrainConfig {
        let recipe = match self.paper_recipe {
            true => TrainConfig {
                // In parts, for the cache of a CPU; the gradients are the same.
                micro_batch: TrainConfig::compact().micro_batch,
                ..TrainConfig::paper()
            },
            false => TrainConfig {
                batch_size: self.batch_size,
                learning_rate: self.lr,
                weight_decay: self.weight_decay,
                text_dropout: self.text_dropout,
                min_snr_gamma: self.min_snr,
                ..TrainConfig::compact()
            },
        };
        TrainConfig {
            steps: self.steps,
            seed: self.common.seed,
            early_stop: self.early_stop.map(|patience| EarlyStop {
                patience,
                every: self.evaluate_every,
                ..EarlyStop::default()
            }),
            ..recipe
        }
    }

    /// How the generator will predict by default.
    fn sampling(&self, unet: &UNet1dConfig) -> Result<SampleOptions> {
        if self.guidance != 1.0 && self.text_dropout == 0.0 {
            return Err(format!(
                "--guidance {} needs a network that was also trained without texts; set --text-dropout above 0, to 0.1 for \
                 example",
                self.guidance
            )
            .into());
        }
        let defaults = SampleOptions::noise_end(&unet.schedule);
        Ok(SampleOptions {
            t: self.t.unwrap_or(defaults.t),
            guidance: self.guidance,
            ..defaults
        })
    }
}
