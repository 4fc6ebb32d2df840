//! Trains the weight generator on a zoo.
//!
//! ```sh
//! cargo run --release --example train_generator -- --zoo out/zoo --out out/weight-generator
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use denoised_weights::training::{GeneratorTraining, hold_out, subset, train};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::options::TextArgs;
use denoised_weights_examples::training::{TrainingArgs, TrainingProgress};
use denoised_weights_examples::{Result, devices};
use weight_blocks::Zoo;
use weight_diffusion::train::EarlyStop;
use weight_diffusion::unet::DictionarySize;
use weight_diffusion::{Error, Parameterization, SampleOptions, TrainConfig, UNet1dConfig};

/// Train the 1-D UNet on the blocks of a zoo (paper, Eq. 1). Run again after an interruption
/// (kill -9 included), it continues from its last state and ends with the same weights.
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
    /// Learn from this many of the zoo's concepts only, drawn by --seed [default: all].
    #[arg(long, value_name = "N")]
    concepts: Option<usize>,
    /// Optimizer steps.
    #[arg(long, default_value_t = 1200)]
    steps: u64,
    /// Blocks per step.
    #[arg(long, default_value_t = TrainConfig::compact().batch_size)]
    batch_size: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 2e-3)]
    lr: f64,
    /// AdamW's weight decay.
    #[arg(long, default_value_t = TrainConfig::compact().weight_decay)]
    weight_decay: f64,
    /// Width of the UNet.
    #[arg(long, default_value_t = 64)]
    channels: usize,
    /// Directions per block that the text mixes beside the UNet; 0 for the paper's network.
    #[arg(long, default_value_t = 96)]
    dictionary: usize,
    /// Timestep of the one-step inference that the generator will use unless told otherwise
    /// [default: the noise end, T - 1].
    #[arg(long)]
    t: Option<usize>,
    /// What the network predicts: the noise (the paper), the weights, v, or v from a scaled input.
    #[arg(long, value_enum, default_value_t = Prediction::Skip)]
    prediction: Prediction,
    /// Gamma of min-SNR weighting [default: none]; for sampling in several steps.
    #[arg(long, value_name = "GAMMA")]
    min_snr: Option<f64>,
    /// Share of rows trained without their text, for classifier-free guidance.
    #[arg(long, default_value_t = TrainConfig::compact().text_dropout)]
    text_dropout: f64,
    /// Guidance scale that the generator will sample with unless told otherwise.
    #[arg(long, default_value_t = 1.0)]
    guidance: f64,
    /// Hold concepts out, and stop after this many evaluations without a new lowest loss on them; the
    /// best weights are kept.
    #[arg(long, value_name = "PATIENCE")]
    early_stop: Option<u32>,
    /// Steps between evaluations on the held-out concepts.
    #[arg(long, default_value_t = EarlyStop::default().every)]
    evaluate_every: u64,
    /// Prompts to hold out for --early-stop.
    #[arg(long, default_value_t = 10)]
    validation_prompts: usize,
    /// A device that computes a part of each batch beside --device (data-parallel); may be given several times.
    #[arg(long, value_name = "DEVICE")]
    with_device: Vec<String>,
    /// Read blocks from the zoo's files when they are needed, for zoos larger than the memory.
    #[arg(long)]
    stream: bool,
}

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

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| train_generator(&args))
}

fn train_generator(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let others = (args.with_device.iter())
        .map(|name| devices::open(name))
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
            let (rest, held_out) =
                hold_out(&zoo, args.validation_prompts, args.common.seed).map_err(of_zoo)?;
            (rest, Some(held_out))
        }
    };
    let width = text.spec().width;
    let unet = UNet1dConfig {
        base_channels: args.channels,
        context_width: width,
        dictionary: (args.dictionary > 0).then_some(DictionarySize {
            blocks: zoo.layout().blocks(),
            entries: args.dictionary,
        }),
        block_size: zoo.layout().block_size(),
        parameterization: args.prediction.into(),
        ..UNet1dConfig::compact()
    };
    let config = TrainConfig {
        steps: args.steps,
        batch_size: args.batch_size,
        learning_rate: args.lr,
        weight_decay: args.weight_decay,
        seed: args.common.seed,
        text_dropout: args.text_dropout,
        min_snr_gamma: args.min_snr,
        early_stop: args.early_stop.map(|patience| EarlyStop {
            patience,
            every: args.evaluate_every,
            ..EarlyStop::default()
        }),
        ..TrainConfig::compact()
    };
    let mut defaults = SampleOptions::noise_end(&unet.schedule);
    defaults.t = args.t.unwrap_or(defaults.t);
    defaults.guidance = args.guidance;
    if args.guidance != 1.0 && args.text_dropout == 0.0 {
        return Err(format!(
            "--guidance {} needs a network that was trained without texts too; give a --text-dropout above 0, 0.1 say",
            args.guidance
        )
        .into());
    }
    let training = GeneratorTraining {
        zoo: &zoo,
        held_out: held_out.as_ref(),
        encoder: &text,
        stream: args.stream,
        unet,
        config,
        defaults,
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
