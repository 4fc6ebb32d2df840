//! Training steps at the paper's size, the memory that they take, and the prediction of all blocks.
//!
//! ```sh
//! cargo run --release --example paper_step -- --summary --predict 1
//! ```

use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use denoised_weights::Preset;
use denoised_weights::gan_baselines::ResnetGenerator;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::options::at_least;
use finetune::{
    ConceptTrainer, EpochLosses, GanTrainer, ImageTranslator, PairDiscriminator, PairSet, Recipe,
};
use lora_gan::{GeneratorConfig, HybridGenerator, PatchGan};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use weight_blocks::{GroupingRule, Layout, WeightSpace};
use weight_diffusion::encoded_text::{EncodedPrompt, TextCondition};
use weight_diffusion::{SampleOptions, UNet1d, UNet1dConfig, one_step};

/// Train an adapter of the paper's generator, or pix2pix from scratch, against a 70×70 PatchGAN for a few steps on random
/// images, and report losses, times and the peak memory of the process.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// Optimizer steps of generator and discriminator, after which the weights are checked.
    #[arg(
        long,
        default_value_t = 3,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    steps: usize,
    /// Images per step.
    #[arg(
        long,
        default_value_t = 4,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    batch: usize,
    /// Train pix2pix's networks instead of an adapter.
    #[arg(long)]
    pix2pix: bool,
    /// Fail if the peak memory of the process is above this many MiB.
    #[arg(long, default_value_t = 6000)]
    max_mib: u64,
    /// Then predict all blocks of the adapter this many times, in one denoising step with an untrained network of the
    /// paper's size and a prompt of 77 tokens; the first prediction on a GPU includes compiling its kernels.
    #[arg(
        long,
        value_name = "TIMES",
        default_value_t = 0,
        value_parser = at_least::<usize>(0),
        allow_negative_numbers = true
    )]
    predict: usize,
    /// Print the generator's layers.
    #[arg(long)]
    summary: bool,
}

#[derive(Serialize)]
struct Report {
    device: String,
    network: &'static str,
    batch: usize,
    image_size: usize,
    adapter_values: usize,
    steps: Vec<Step>,
    /// Their means.
    losses: EpochLosses,
    prediction: Option<Prediction>,
    /// Peak resident memory of the process (`VmHWM`), if the system reports it.
    peak_mib: Option<u64>,
    /// What the device's allocator holds at the end of the training, if the backend reports it.
    device_mib: Option<u64>,
}

#[derive(Serialize)]
struct Step {
    seconds: f64,
}

/// The length of CLIP's context.
const CLIP_TOKENS: usize = 77;

#[derive(Serialize)]
struct Prediction {
    blocks: usize,
    batch: usize,
    seconds: Vec<f64>,
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| paper_step(&args))
}

fn paper_step(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let config = GeneratorConfig::paper();
    let base = HybridGenerator::new(&config, args.common.seed, &device)?;
    let summary = base.summary();
    if args.summary {
        println!("{summary}\n");
    }
    let preset = Preset::Paper;
    let recipe = Recipe {
        batch_size: args.batch,
        seed: args.common.seed,
        ..if args.pix2pix {
            preset.pix2pix_training()
        } else {
            preset.fine_tuning()
        }
    };
    let shape = [
        args.steps * args.batch,
        3,
        config.image_size,
        config.image_size,
    ];
    let photos = random(
        shape,
        &mut ChaCha8Rng::seed_from_u64(args.common.seed),
        &device,
    );
    let targets = photos.clone().neg();
    let pairs = PairSet { photos, targets };
    let (steps, losses) = if args.pix2pix {
        let generator = ResnetGenerator::new(&preset.pix2pix(), recipe.seed, &device)?;
        let discriminator = PatchGan::new(&recipe.discriminator, recipe.seed, &device)?;
        let trainer = GanTrainer::from_scratch(generator, discriminator, recipe)?;
        train(trainer, &pairs)?
    } else {
        train(
            ConceptTrainer::new(&base, &base.read_weights()?, recipe, &device)?,
            &pairs,
        )?
    };
    let device_mib = (device.memory_pool_usage()).map(|usage| usage.bytes_reserved >> 20);
    drop(pairs);
    let prediction = match args.predict {
        0 => None,
        _ => Some(predict(args, &base, &device)?),
    };
    let peak_mib = peak_mib();
    args.common.write_json(&Report {
        device: args.common.device.clone(),
        network: if args.pix2pix { "pix2pix" } else { "adapter" },
        batch: args.batch,
        image_size: config.image_size,
        adapter_values: summary.adapter(),
        steps,
        losses,
        prediction,
        peak_mib,
        device_mib,
    })?;
    match peak_mib {
        Some(peak) if peak > args.max_mib => Err(format!(
            "the peak of {peak} MiB is above {} MiB; use a smaller --batch or a larger --max-mib",
            args.max_mib
        )
        .into()),
        _ => Ok(()),
    }
}

/// One pass over `pairs`.
fn train<G, D>(mut trainer: GanTrainer<G, D>, pairs: &PairSet) -> Result<(Vec<Step>, EpochLosses)>
where
    G: ImageTranslator + Module,
    D: PairDiscriminator + Module,
{
    let mut steps = Vec::new();
    let mut before = 0.0;
    let losses = trainer.epoch_observed(pairs, |trainer, done, _| -> Result<()> {
        let seconds = trainer.train_seconds() - before;
        before = trainer.train_seconds();
        let peak = peak_mib().map_or_else(|| "unknown".into(), |m| m.to_string());
        println!("step {done}: {seconds:.3} s, peak {peak} MiB");
        steps.push(Step { seconds });
        Ok(())
    })?;
    println!(
        "losses: L1 {:.4}, GAN {:.4}, discriminator {:.4}",
        losses.l1, losses.gan, losses.discriminator
    );
    Ok((steps, losses))
}

fn predict(args: &Args, base: &HybridGenerator, device: &Device) -> Result<Prediction> {
    let config = UNet1dConfig::paper();
    let layers = base.layer_groups();
    let layout = Layout::new("base", layers, GroupingRule::Appended, config.block_size)?;
    let unet = UNet1d::new(&config, args.common.seed, device)?;
    let prompt = EncodedPrompt::new(vec![0.0; CLIP_TOKENS * config.context_width], CLIP_TOKENS);
    let text = TextCondition::from_host(&[&prompt], config.context_width, device)?;
    let options = SampleOptions {
        seed: args.common.seed,
        ..SampleOptions::noise_end(&config.schedule)
    };
    let mut seconds = Vec::new();
    for _ in 0..args.predict {
        let started = Instant::now();
        one_step(&unet, &text, layout.blocks(), &config.schedule, &options)?;
        seconds.push(started.elapsed().as_secs_f64());
        println!(
            "prediction {}: {} blocks, {} at a time, {:.3} s",
            seconds.len(),
            layout.blocks(),
            options.batch_size,
            started.elapsed().as_secs_f64()
        );
    }
    Ok(Prediction {
        blocks: layout.blocks(),
        batch: options.batch_size,
        seconds,
    })
}

fn random(shape: [usize; 4], rng: &mut ChaCha8Rng, device: &Device) -> Tensor<4> {
    let data: Vec<f32> = (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// Peak resident memory, on Linux.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}
