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
use denoised_weights::memory::training_mib;
use denoised_weights::pairs::{
    ConceptDraws, PhotoSplits, TrainingConcepts, concepts_of, training_sources,
};
use denoised_weights::pretraining::{Pretraining, PretrainingData};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::options::{
    AssetArgs, LeaveOutArgs, MemoryArgs, PhotosArg, TextArgs, at_least,
};
use denoised_weights_examples::progress::Progress;
use finetune::PretrainConfig;
use lora_gan::{BaseGenerator, GeneratorConfig, HybridGenerator};
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
    photos: PhotosArg,
    #[command(flatten)]
    leave_out: LeaveOutArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Folder to write the base to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Base of the same layers, of any image size, to start from instead of random weights: --preset photo --from
    /// assets/base.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Train on squares of this many pixels that are cut out at random, instead of whole photos.
    #[arg(long, value_name = "PIXELS")]
    crop: Option<usize>,
    /// Peak learning rate [default: the preset's].
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Optimizer steps [default: the preset's].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    steps: Option<usize>,
    /// Samples per step [default: the preset's].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// Folder of prepared pairs (see prepare_pairs) to learn from instead of drawn concepts: a folder per concept with
    /// `prompt.txt` and pairs, whose images are read when they are needed.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// The concepts that are drawn.
    #[arg(long, value_enum, default_value_t = Which::Endless, conflicts_with = "pairs")]
    concepts: Which,
    /// Number of training photos [default: all].
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "pairs",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_photos: Option<usize>,
    /// Steps between saved states.
    #[arg(
        long,
        default_value_t = 100,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
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
    trained_on: String,
    steps: usize,
    seconds_this_run: f64,
    last_l1: f64,
    sha256: String,
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| pretrain(&args))
}

fn pretrain(args: &Args) -> Result<()> {
    let photos = args.photos.of(args.assets.paths()).photos;
    let base = [
        BaseGenerator::CONFIG_FILE,
        BaseGenerator::WEIGHTS_FILE,
        "state",
    ];
    let places = match &args.pairs {
        Some(root) => Places::new().reads(root),
        None => Places::new().reads_directly_in(&photos),
    };
    let places = places
        .reads_all(args.text.folder())
        .reads_all(
            args.from
                .iter()
                .flat_map(|dir| base.map(|name| dir.join(name))),
        )
        .writes_all(base.map(|name| args.out.join(name)))
        .writes(args.out.join("training.json"));
    args.common.check_places(places)?;
    let device = args.common.device()?;
    let encoder = args.text.load(&device)?;
    let config = args.assets.preset.pretraining();
    let steps = args.steps.unwrap_or(config.steps);
    let pretraining = Pretraining {
        dir: args.out.clone(),
        network: GeneratorConfig {
            context_width: encoder.id().width,
            ..args.assets.preset.generator()
        },
        start: (args.from.as_deref())
            .map(|dir| BaseGenerator::load(dir, &device))
            .transpose()?,
        config: PretrainConfig {
            steps,
            crop: args.crop,
            lr: args.lr.unwrap_or(config.lr),
            batch_size: args.batch_size.unwrap_or(config.batch_size),
            seed: args.common.seed,
            ..config
        },
        save_every: args.save_every,
    };
    let size = pretraining.network.image_size;
    let network = HybridGenerator::new(&pretraining.network, args.common.seed, &device)?;
    let (batch, side) = (pretraining.config.batch_size, args.crop.unwrap_or(size));
    args.memory
        .check(training_mib(&network, batch, side, batch))?;
    let mut photos = match &args.pairs {
        Some(_) => Vec::new(),
        None => PhotoSplits::read(&photos, size)?.train,
    };
    if let Some(count) = args.n_photos {
        if let Some(note) = limit("training photos", count, photos.len(), "--n-photos") {
            println!("{note}");
        }
        photos.truncate(count);
    }
    let seed = args.common.seed;
    let list = || concepts_of(Split::Train);
    let data = PretrainingData {
        concepts: match (&args.pairs, args.concepts) {
            (Some(root), _) => {
                TrainingConcepts::sources(training_sources(Some(root), &[])?, &[], seed)?
            }
            (None, Which::List) => {
                TrainingConcepts::Drawn(ConceptDraws::of_list(list(), seed), &photos)
            }
            (None, Which::Endless) => {
                let draws = ConceptDraws::endless(list(), seed);
                let draws = draws.for_stage(if args.from.is_some() { 2 } else { 0 });
                let held_out = args.leave_out.concepts()?;
                TrainingConcepts::Drawn(draws.without(&held_out), &photos)
            }
        },
        encoder: &encoder,
    };
    let trained_on = data.concepts.describe();
    println!("{trained_on}");

    let started = Instant::now();
    let mut bar: Option<Progress> = None;
    let mut last_l1 = f64::NAN;
    let sha256 = pretraining.run(&data, &device, |progress| {
        let done = progress.step as u64;
        last_l1 = progress.mean_l1;
        // There is no mean before the first step.
        let message = match last_l1.is_nan() {
            true => String::new(),
            false => format!("L1 {last_l1:.4}"),
        };
        // A resumed run continues where it was.
        bar.get_or_insert_with(|| Progress::new("base", steps as u64, done))
            .set(done, message);
    })?;
    if let Some(bar) = bar {
        bar.finish();
    }
    let report = Report {
        trained_on,
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
