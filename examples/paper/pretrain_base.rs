//! Trains the frozen base that all concepts share, on the training concepts and training photos.
//!
//! ```sh
//! cargo run --release --example pretrain_base -- --out out/base
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use concepts::Split;
use denoised_weights::Preset;
use denoised_weights::pairs::{ConceptDraws, PhotoSplits, concepts_of, spread};
use denoised_weights::pretraining::{Pretraining, PretrainingData};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, one_of, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::options::{AssetArgs, TextArgs};
use denoised_weights_examples::progress::Progress;
use finetune::PretrainConfig;
use lora_gan::{BaseGenerator, GeneratorConfig};
use serde::Serialize;

/// Train the base generator on concepts of the shipped list and of the grammar, drawn anew at every step. The text enters by
/// cross-attention; without a text the network learns to leave the photo as it is. Held-out concepts and
/// photos are never used. After an interruption, the same command continues from the last saved state.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Folder to write the base to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Size of the base.
    #[arg(long, value_parser = one_of::<Preset>(Preset::ALL.map(Preset::name)), default_value_t = Preset::Compact)]
    preset: Preset,
    /// Optimizer steps [default: the preset's].
    #[arg(long)]
    steps: Option<usize>,
    /// Samples per step [default: the preset's].
    #[arg(long)]
    batch_size: Option<usize>,
    /// The concepts.
    #[arg(long, value_enum, default_value_t = Which::Endless)]
    concepts: Which,
    /// Number of training photos [default: all].
    #[arg(long, value_name = "N")]
    n_photos: Option<usize>,
    /// Steps between saved states.
    #[arg(long, default_value_t = 100)]
    save_every: usize,
}

/// What the base learns from.
#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// The training concepts of the shipped list.
    List,
    /// The list, and three times as often the grammar, which has no end.
    Endless,
}

#[derive(Serialize)]
struct Report {
    concepts: String,
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
        .reads_all(args.text.folder())
        .writes_all(base.map(|name| args.out.join(name)));
    args.common.check_places(places)?;
    let device = args.common.device()?;
    let encoder = args.text.load(&device)?;
    let config = args.preset.pretraining();
    let steps = args.steps.unwrap_or(config.steps);
    let pretraining = Pretraining {
        dir: args.out.clone(),
        network: GeneratorConfig {
            context_width: encoder.id().width,
            ..args.preset.generator()
        },
        config: PretrainConfig {
            steps,
            batch_size: args.batch_size.unwrap_or(config.batch_size),
            seed: args.common.seed,
            ..config
        },
        save_every: args.save_every,
    };
    let size = pretraining.network.image_size;
    let mut photos = PhotoSplits::read(&photos, size)?.train;
    if let Some(count) = args.n_photos {
        if let Some(note) = limit("training photos", count, photos.len(), "--n-photos") {
            println!("{note}");
        }
        photos = spread(&photos, count, 0.0);
    }
    let (list, seed) = (concepts_of(Split::Train), args.common.seed);
    let data = PretrainingData {
        concepts: match args.concepts {
            Which::List => ConceptDraws::of_list(list, seed),
            Which::Endless => ConceptDraws::endless(list, seed),
        },
        photos: &photos,
        encoder: &encoder,
    };
    let concepts = data.concepts.describe();
    println!("{concepts}, {} photos", photos.len());

    let started = Instant::now();
    let mut bar: Option<Progress> = None;
    let mut last_l1 = f64::NAN;
    let sha256 = pretraining.run(&data, &device, |progress| {
        let done = progress.step as u64;
        last_l1 = progress.mean_l1;
        // A resumed run continues where it was.
        bar.get_or_insert_with(|| Progress::new("base", steps as u64, done))
            .set(done, format!("L1 {last_l1:.4}"));
    })?;
    if let Some(bar) = bar {
        bar.finish();
    }
    let report = Report {
        concepts,
        photos: photos.len(),
        steps,
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
