//! Your own style: from a prompt and a folder of pairs to a fine-tuned adapter.
//!
//! ```sh
//! cargo run --release --example prepare_pairs -- --split test --only teal-charcoal-sketch --out out/pairs
//! cargo run --release --example your_style -- --prompt "teal charcoal sketch" --pairs out/pairs/teal-charcoal-sketch
//! ```

mod args;

use std::process::ExitCode;

use clean_fid::FeatureNet;
use denoised_weights::comparison::{Comparison, ComparisonReport, ConceptReport, Outcome};
use denoised_weights::memory::training_mib;
use denoised_weights::pairs::ConceptPairs;
use denoised_weights::starts::Starts;
use denoised_weights::{PhotoEditor, Preset};
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::limits::pair_limits;
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::Recipe;
use result_figures::{Column, write_grid};

use args::{Args, Direction};

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| your_style(&args))
}

fn your_style(args: &Args) -> Result<()> {
    args.check_places()?;
    let device = args.common.device()?;
    let predictor = args.model.load_predictor(&device)?;
    // A prompt without a word that the encoder knows is refused before anything is trained.
    let base = &predictor.prompted_base(&args.prompt)?;
    let size = base.config.image_size;
    let assets = args.model.paths();
    let zoo = assets.open_zoo(predictor.base())?;
    let network = assets.load_feature_network(&device)?;
    let mut pairs = ConceptPairs::folder(&args.pairs, &args.prompt, args.counts(), size, &device)?;
    if args.direction == Direction::BToA {
        pairs = pairs.reversed();
    }
    if args.cluster {
        pairs = pairs.clustered(args.n_train, &network, args.common.seed)?;
    }
    let recipe = Recipe {
        epochs: args.epochs,
        seed: args.common.seed,
        ..Preset::of(&base.config).fine_tuning()
    };
    let held = pairs.train.len() + pairs.test.len();
    let needed = training_mib(&base.generator, recipe.batch_size, size, held);
    args.memory.check(needed)?;
    files::check_writable(&args.out)?;
    for note in pair_limits(&pairs, ["--n-train", "--n-test"]) {
        println!("{note}");
    }

    let generator = predictor.generator();
    let mut options = generator.defaults();
    options.seed = args.common.seed;
    let starts = Starts {
        predictor: &predictor,
        generator,
        zoo: &zoo,
        pairs: &pairs.train,
        options,
        seed: args.common.seed,
    };
    let start = starts.make(args.start, &args.prompt, &[])?;
    let comparison = Comparison::new(base, &pairs, &network, &recipe, &device)?;
    let mut progress = Progress::new("train", recipe.epochs as u64, 0);
    let outcome = comparison.fine_tune(&*start, |point| {
        progress.set(point.epoch as u64, format!("quality {:.2}", point.quality));
    })?;
    progress.finish();
    if let Some(origin) = &outcome.report.origin {
        println!("started from {origin}");
    }

    base.save_adapter(&args.out.join("start.safetensors"), &outcome.start)?;
    base.save_adapter(&args.out.join("adapter.safetensors"), &outcome.trained)?;
    if let Some(photos) = &args.apply {
        let editor = PhotoEditor::new(base, &outcome.trained)?;
        let count = editor.edit_folder(photos, &args.edited())?;
        println!("{count} photos edited");
    }
    let quality = network.metric_name("frechet");
    let mut report = ComparisonReport::new(args.common.seed, &args.common.device, &quality);
    report.add(write_pictures(args, &pairs, outcome)?);
    files::write_json(&args.out.join("report.json"), &report)?;
    println!("wrote {}", display(&args.out));
    args.common.write_json(&report)
}

/// Writes grid.png and prints the figures; returns them for the report.
fn write_pictures(args: &Args, pairs: &ConceptPairs, outcome: Outcome) -> Result<ConceptReport> {
    let mut columns = Vec::from(Column::of_pairs(&pairs.shown));
    columns.push(Column::new("before\ntraining", outcome.before));
    let after = format!("fine-tuned\n{} epochs", args.epochs);
    columns.push(Column::new(after, outcome.after));
    write_grid(&args.out.join("grid.png"), &columns)?;
    if let (Some(first), Some(last)) = (outcome.report.curve.first(), outcome.report.curve.last()) {
        println!(
            "quality (lower is better) {:.2} before training after {:.2} s, {:.2} fine-tuned after {:.2} s",
            first.quality, first.seconds, last.quality, last.seconds
        );
    }
    let methods = [(args.start.name().to_owned(), outcome.report)].into();
    Ok(ConceptReport::new(pairs, args.common.seed, methods))
}
