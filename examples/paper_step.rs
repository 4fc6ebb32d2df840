//! Steps of fine-tuning at the paper's size, and the memory that they take.
//!
//! ```sh
//! cargo run --release --example paper_step -- --summary
//! ```

use std::process::ExitCode;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, run};
use lora_gan::{
    GeneratorConfig, HybridGenerator, Mode, Pass, PatchGan, PatchGanConfig, discriminator_loss,
    generator_gan_loss, l1_loss,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Fine-tune an adapter of the paper's generator against a 70×70 PatchGAN for a few steps on random
/// images, and report losses, times and the process's peak memory.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// Optimiser steps of generator and discriminator.
    #[arg(long, default_value_t = 3)]
    steps: usize,
    /// Images of a step.
    #[arg(long, default_value_t = 4)]
    batch: usize,
    /// Fail where the process's peak memory is above this many MiB.
    #[arg(long, default_value_t = 6000)]
    max_mib: u64,
    /// Print the generator's layers.
    #[arg(long)]
    summary: bool,
}

#[derive(Serialize)]
struct Report {
    batch: usize,
    image_size: usize,
    adapter_values: usize,
    steps: Vec<Step>,
    /// `VmHWM` of the process; none where the system does not say.
    peak_mib: Option<u64>,
}

#[derive(Serialize)]
struct Step {
    seconds: f64,
    l1: f32,
    discriminator: f32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| paper_step(&args))
}

fn paper_step(args: &Args) -> Result<()> {
    let plain = args.common.device()?;
    let device = plain.clone().autodiff();
    let config = GeneratorConfig::paper();
    let generator = HybridGenerator::new(&config, args.common.seed, &plain)?;
    let summary = generator.summary();
    if args.summary {
        println!("{summary}\n");
    }
    let mut generator = generator.train().train_adapter();
    let mut discriminator = PatchGan::new(&PatchGanConfig::paper(), args.common.seed, &device)?;
    // As the trainers'; Burn's own epsilon is 1e-5.
    let adam = || AdamConfig::new().with_beta_1(0.5).with_epsilon(1e-8).init();
    let (mut optim_g, mut optim_d) = (adam(), adam());
    let shape = [args.batch, 3, config.image_size, config.image_size];
    let mut steps = Vec::new();
    for i in 0..args.steps {
        let started = Instant::now();
        let mut rng = ChaCha8Rng::seed_from_u64(args.common.seed);
        rng.set_stream(i as u64);
        let photo = random(shape, &mut rng, &device);
        let target = photo.clone().mul_scalar(-1.0);

        let pass = Pass::Train { seed: i as u64 };
        let fake = generator.forward_pass(photo.clone(), None, Mode::Adapted, pass);
        let n = args.batch;
        let logits = discriminator.forward(
            Tensor::cat(vec![photo.clone(), photo.clone()], 0),
            Tensor::cat(vec![target.clone(), fake.clone().detach()], 0),
        );
        let d_loss = discriminator_loss(logits.clone().slice([0..n]), logits.slice([n..2 * n]));
        let d_value = d_loss.clone().detach().into_scalar::<f32>();
        let gradients = GradientsParams::from_grads(d_loss.backward(), &discriminator);
        discriminator = optim_d.step(2e-4, discriminator, gradients);

        let judge = discriminator.clone().no_grad();
        let l1 = l1_loss(fake.clone(), target);
        let l1_value = l1.clone().detach().into_scalar::<f32>();
        let loss = l1.mul_scalar(100.0) + generator_gan_loss(judge.forward(photo, fake));
        let gradients = GradientsParams::from_grads(loss.backward(), &generator);
        generator = optim_g.step(1.5e-3, generator, gradients);

        let seconds = started.elapsed().as_secs_f64();
        println!(
            "step {}: {seconds:.1} s, L1 {l1_value:.4}, discriminator {d_value:.4}, peak {} MiB",
            i + 1,
            peak_mib().map_or_else(|| "unknown".into(), |m| m.to_string())
        );
        steps.push(Step {
            seconds,
            l1: l1_value,
            discriminator: d_value,
        });
    }
    let peak_mib = peak_mib();
    args.common.write_json(&Report {
        batch: args.batch,
        image_size: config.image_size,
        adapter_values: summary.adapter(),
        steps,
        peak_mib,
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
