//! Trains the frozen base that all concepts share, on the training concepts and training photos.
//!
//! ```sh
//! cargo run --release --example pretrain_base -- --out out/base
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Tensor;
use clap::Parser;
use concepts::Split;
use denoised_weights_examples::assets::{AssetArgs, Text, display};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::data::{Photos, concepts_of, edit, spread};
use denoised_weights_examples::progress::{Progress, RunningMean};
use denoised_weights_examples::{Result, files};
use finetune::{PairSet, PretrainConcept, PretrainConfig, Pretrainer, images_to_tensor};
use image::RgbImage;
use lora_gan::{BaseGenerator, Context, GeneratorConfig, HybridGenerator};
use serde::Serialize;
use weight_diffusion::{HostText, TextCondition};

/// Train the base generator on the shipped training concepts; the text comes in by cross-attention,
/// no text means "leave the photo as it is". Held-out concepts and photos are never seen. Run again
/// after an interruption, it goes on from its last state.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    /// Folder to write the base to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Optimizer steps.
    #[arg(long, default_value_t = PretrainConfig::compact().steps)]
    steps: usize,
    /// Training photos, of which each concept has all.
    #[arg(long, default_value_t = 48)]
    n_photos: usize,
    /// Steps between saved states.
    #[arg(long, default_value_t = 100)]
    save_every: usize,
}

#[derive(Serialize)]
struct Report {
    concepts: usize,
    photos: usize,
    steps: usize,
    seconds_this_run: f64,
    last_l1: f64,
    sha256: String,
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| pretrain(&args))
}

fn pretrain(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let config = GeneratorConfig::compact();
    let train = PretrainConfig {
        steps: args.steps,
        seed: args.common.seed,
        ..PretrainConfig::compact()
    };
    let photos = Photos::read(&args.assets.photos_dir(), config.image_size)?.train;
    let photos = spread(&photos, args.n_photos, 0.0);
    let text = Text::embedded()?;
    let refs: Vec<&RgbImage> = photos.iter().collect();
    let inputs: Tensor<4> = images_to_tensor(&refs, config.image_size, &device)?;
    let concepts = concepts_of(Split::Train);
    let tokens = concepts
        .iter()
        .map(|concept| text.tokens(&concept.prompt, &device))
        .collect::<Result<Vec<_>>>()?;
    let tokens: Vec<&HostText> = tokens.iter().collect();
    let texts = TextCondition::from_host(&tokens, text.spec().width, &device)?;
    let mut data = Vec::new();
    for (i, concept) in concepts.iter().enumerate() {
        let edited: Vec<RgbImage> = edit(&photos, concept).into_iter().map(|p| p.1).collect();
        let refs: Vec<&RgbImage> = edited.iter().collect();
        data.push(PretrainConcept {
            context: Context {
                tokens: texts.tokens.clone().narrow(0, i, 1),
                mask: texts.mask.clone().narrow(0, i, 1),
            },
            pairs: PairSet {
                photos: inputs.clone(),
                targets: images_to_tensor(&refs, config.image_size, &device)?,
            },
        });
    }
    println!(
        "{} training concepts, {} photos each",
        data.len(),
        photos.len()
    );

    let started = Instant::now();
    let states = args.out.join("state");
    let _lock = files::Lock::of_run(&args.out)?;
    let network = HybridGenerator::new(&config, args.common.seed, &device)?;
    let mut trainer = Pretrainer::resume(network, train.clone(), &device, &states)?;
    let mut progress = Progress::new("base", train.steps as u64, trainer.steps_done() as u64);
    let mut mean = RunningMean::default();
    while trainer.steps_done() < train.steps {
        let loss = f64::from(trainer.step(&data)?);
        mean.add(loss);
        let done = trainer.steps_done();
        progress.set(done as u64, format!("L1 {:.4}", mean.get()));
        if done % args.save_every.max(1) == 0 || done == train.steps {
            trainer.save_state(&states)?;
        }
    }
    progress.finish();
    let sha256 = BaseGenerator::save(&args.out, &trainer.generator(), &config)?;
    // Only now is the last state of no use.
    files::discard(&states)?;
    let report = Report {
        concepts: data.len(),
        photos: photos.len(),
        steps: train.steps,
        seconds_this_run: started.elapsed().as_secs_f64(),
        last_l1: mean.get(),
        sha256,
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
