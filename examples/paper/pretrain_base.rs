//! Trains the frozen base that all concepts share, on the training concepts and training photos.
//!
//! ```sh
//! cargo run --release --example pretrain_base -- --out out/base
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use concepts::Split;
use denoised_weights::PromptEncoder;
use denoised_weights::pairs::{PhotoSplits, concepts_of, spread};
use denoised_weights::pretraining::{Pretraining, pretraining_concepts};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::options::AssetArgs;
use denoised_weights_examples::progress::Progress;
use finetune::PretrainConfig;
use lora_gan::{BaseGenerator, GeneratorConfig};
use serde::Serialize;

/// Train the base generator on the shipped training concepts. The text enters by cross-attention; without a
/// text the network learns to leave the photo as it is. Held-out concepts and photos are never used. After
/// an interruption, the same command continues from the last saved state.
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
    /// Number of training photos; each concept uses all of them.
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
    let photos = args.assets.paths().photos;
    let base = [
        BaseGenerator::CONFIG_FILE,
        BaseGenerator::WEIGHTS_FILE,
        "state",
    ];
    let places = Places::new()
        .reads_directly_in(&photos)
        .writes_all(base.map(|name| args.out.join(name)));
    args.common.check_places(places)?;
    let device = args.common.device()?;
    let pretraining = Pretraining {
        dir: args.out.clone(),
        network: GeneratorConfig::compact(),
        config: PretrainConfig {
            steps: args.steps,
            seed: args.common.seed,
            ..PretrainConfig::compact()
        },
        save_every: args.save_every,
    };
    let size = pretraining.network.image_size;
    let photos = PhotoSplits::read(&photos, size)?.train;
    if let Some(note) = limit("training photos", args.n_photos, photos.len(), "--n-photos") {
        println!("{note}");
    }
    let photos = spread(&photos, args.n_photos, 0.0);
    let concepts = concepts_of(Split::Train);
    let encoder = PromptEncoder::embedded()?;
    let data = pretraining_concepts(&concepts, &photos, &encoder, size, &device)?;
    println!(
        "{} training concepts, {} photos each",
        data.len(),
        photos.len()
    );

    let started = Instant::now();
    let mut bar: Option<Progress> = None;
    let mut last_l1 = f64::NAN;
    let sha256 = pretraining.run(&data, &device, |progress| {
        let done = progress.step as u64;
        last_l1 = progress.mean_l1;
        // A resumed run continues where it was.
        bar.get_or_insert_with(|| Progress::new("base", args.steps as u64, done))
            .set(done, format!("L1 {last_l1:.4}"));
    })?;
    if let Some(bar) = bar {
        bar.finish();
    }
    let report = Report {
        concepts: data.len(),
        photos: photos.len(),
        steps: args.steps,
        seconds_this_run: started.elapsed().as_secs_f64(),
        last_l1,
        sha256,
    };
    println!(
        "wrote {} ({:.0} s)",
        display(&args.out),
        report.seconds_this_run
    );
    args.common.write_json(&report)
}
