//! Trains the weight generator on a zoo.
//!
//! ```sh
//! cargo run --release --example train_generator -- --zoo out/zoo --out out/weight-generator
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use denoised_weights_examples::Result;
use denoised_weights_examples::assets::Text;
use denoised_weights_examples::blocks::ZooBlocks;
use denoised_weights_examples::cli::{Common, run};
use denoised_weights_examples::training::TrainingArgs;
use weight_blocks::Zoo;
use weight_diffusion::{
    DictionarySize, SampleOptions, TrainConfig, Trainer, UNet1dConfig, WeightGenerator,
};

/// Train the 1-D UNet on the blocks of a zoo (paper, Eq. 1). Run again after an interruption
/// (kill -9 included), it goes on from its last state and ends with the same weights.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    training: TrainingArgs,
    /// The zoo to learn from.
    #[arg(long, value_name = "DIR")]
    zoo: PathBuf,
    /// Optimizer steps.
    #[arg(long, default_value_t = 800)]
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
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| train(&args))
}

fn train(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let zoo = Zoo::open(&args.zoo)?;
    let text = Text::embedded()?;
    let layout = zoo.layout().clone();
    let dataset = ZooBlocks::read(&zoo, &text, None, &device)
        .map_err(|e| format!("{}: {e}", args.zoo.display()))?
        .dataset;
    let width = text.spec().width;
    let unet = UNet1dConfig {
        base_channels: args.channels,
        context_width: width,
        dictionary: (args.dictionary > 0).then_some(DictionarySize {
            blocks: layout.blocks(),
            entries: args.dictionary,
        }),
        block_size: layout.block_size(),
        ..UNet1dConfig::compact()
    };
    let config = TrainConfig {
        steps: args.steps,
        batch_size: args.batch_size,
        learning_rate: args.lr,
        weight_decay: args.weight_decay,
        seed: args.common.seed,
        ..TrainConfig::compact()
    };
    println!(
        "{} networks of {} concepts, {} blocks of {} each",
        dataset.networks(),
        dataset.texts().len(),
        layout.blocks(),
        layout.block_size()
    );

    let mut trainer = args
        .training
        .resume_or(&config, &unet, &dataset, &device, || {
            let seed = args.common.seed;
            Ok(Trainer::new(
                config.clone(),
                &unet,
                dataset.spec(),
                seed,
                &device,
            )?)
        })?;
    let report = (args.training).run("generator", &mut trainer, &dataset, |trainer| {
        Ok(trainer.step(&dataset)?)
    })?;
    let mut defaults = SampleOptions::noise_end(&unet.schedule);
    defaults.t = args.t.unwrap_or(defaults.t);
    let generator = WeightGenerator::new(
        trainer.ema_model(),
        layout.clone(),
        dataset.normalizer().clone(),
        text.spec(),
        dataset.norm(),
        zoo.base_digest(),
        defaults,
    )?;
    args.training.finish(&generator, &report)?;
    args.common.write_json(&report)
}
