//! Trains the weight generator on a zoo.
//!
//! ```sh
//! cargo run --release --example train_generator -- --zoo out/zoo --out out/weight-generator
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use denoised_weights_examples::assets::{Text, display};
use denoised_weights_examples::blocks::ZooBlocks;
use denoised_weights_examples::cli::{Common, run};
use denoised_weights_examples::progress::{Progress, RunningMean};
use denoised_weights_examples::{Result, files};
use serde::Serialize;
use weight_blocks::Zoo;
use weight_diffusion::{
    DictionarySize, Precision, SampleOptions, TrainConfig, Trainer, UNet1dConfig, WeightGenerator,
};

/// Train the 1-D UNet on the blocks of a zoo (paper, Eq. 1). Run again after an interruption
/// (kill -9 included), it goes on from its last state and ends with the same weights.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// The zoo to learn from.
    #[arg(long, value_name = "DIR")]
    zoo: PathBuf,
    /// Folder to write the weight generator to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Optimizer steps.
    #[arg(long, default_value_t = 1000)]
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
    #[arg(long, default_value_t = 32)]
    dictionary: usize,
    /// Timestep of the one-step inference that the generator will use unless told otherwise
    /// [default: the noise end, T - 1].
    #[arg(long)]
    t: Option<usize>,
    /// Steps between saved states.
    #[arg(long, default_value_t = 50)]
    save_every: u64,
    /// Write weights as 32-bit floats; 16-bit halves the file.
    #[arg(long)]
    full_precision: bool,
}

#[derive(Serialize)]
struct Report {
    networks: usize,
    blocks: usize,
    steps: u64,
    seconds_this_run: f64,
    last_loss: f64,
    zoo_norm_mean: f64,
    zoo_norm_std: f64,
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

    let started = Instant::now();
    let state = args.out.join("state");
    let mut trainer = if Trainer::has_state(&state) {
        let trainer = Trainer::resume(&state, &dataset.spec(), &device)?;
        if *trainer.config() != config || *trainer.unet_config() != unet {
            return Err(format!(
                "{}: the state there was trained with other options; give the same ones, or remove the folder",
                state.display()
            )
            .into());
        }
        trainer
    } else {
        Trainer::new(
            config.clone(),
            &unet,
            dataset.spec(),
            args.common.seed,
            &device,
        )?
    };
    let mut progress = Progress::new("generator", config.steps, trainer.steps_done());
    let mut mean = RunningMean::default();
    while !trainer.is_finished() {
        let stats = trainer.step(&dataset)?;
        mean.add(stats.loss);
        let done = trainer.steps_done();
        progress.set(
            done,
            format!("loss {:.4}, gradient {:.3}", mean.get(), stats.grad_norm),
        );
        if done % args.save_every.max(1) == 0 || trainer.is_finished() {
            trainer.save_state(&state)?;
        }
    }
    progress.finish();

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
    let precision = if args.full_precision {
        Precision::Full
    } else {
        Precision::Half
    };
    generator.save(&args.out, precision)?;
    std::fs::remove_dir_all(&state)
        .map_err(|e| format!("{}: cannot be removed: {e}", state.display()))?;
    let report = Report {
        networks: dataset.networks(),
        blocks: layout.blocks(),
        steps: config.steps,
        seconds_this_run: started.elapsed().as_secs_f64(),
        last_loss: mean.get(),
        zoo_norm_mean: dataset.norm().mean,
        zoo_norm_std: dataset.norm().std,
    };
    println!(
        "wrote {} ({:.0} s)",
        display(&args.out),
        report.seconds_this_run
    );
    if let Some(path) = &args.common.json {
        files::write_json(path, &report)?;
    }
    Ok(())
}
