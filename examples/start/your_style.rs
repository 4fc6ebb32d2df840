//! Your own style: from a prompt and a folder of pairs to a fine-tuned adapter.
//!
//! ```sh
//! cargo run --release --example prepare_pairs -- --split test --only teal-charcoal-sketch --out out/pairs
//! cargo run --release --example your_style -- --prompt "teal charcoal sketch" --pairs out/pairs/teal-charcoal-sketch
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use clean_fid::FeatureNet;
use denoised_weights::comparison::{Comparison, ComparisonReport, ConceptReport, Outcome};
use denoised_weights::pairs::{ConceptPairs, PairCounts};
use denoised_weights::starts::{StartKind, Starts};
use denoised_weights::{PhotoEditor, Preset, plan_edits};
use denoised_weights_examples::cli::{Common, display, one_of, parse, prompt, run};
use denoised_weights_examples::limits::pair_limits;
use denoised_weights_examples::options::{ModelArgs, reads_pairs, zoo_files};
use denoised_weights_examples::picture::{Column, write_grid};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::Recipe;

/// Predict the LoRA weights of your style from its prompt in one denoising step, fine-tune the best start on your
/// pairs, and write the adapter, pictures before and after the training (grid.png) and the quality over
/// time (report.json). `quickstart` with the same --prompt and --pairs compares other starts with this one.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    model: ModelArgs,
    /// The style, in words.
    #[arg(long, value_parser = prompt)]
    prompt: String,
    /// Your pairs: DIR/input/NAME.* and DIR/target/NAME.*, side-by-side files, or train/val/test
    /// subfolders of these. Without subfolders every fifth pair is kept for measuring.
    #[arg(long, value_name = "DIR")]
    pairs: PathBuf,
    /// Which image of a pair becomes which (pix2pix's option).
    #[arg(long, value_enum, default_value_t = Direction::AToB)]
    direction: Direction,
    /// Maximum number of training pairs.
    #[arg(long, default_value_t = 64)]
    n_train: usize,
    /// If there are more, choose the training pairs by clusters of the photos' features, as E²GAN does,
    /// instead of evenly.
    #[arg(long)]
    cluster: bool,
    /// Maximum number of test pairs.
    #[arg(long, default_value_t = 60)]
    n_test: usize,
    /// Epochs.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Where training starts: the best of several starts on your pairs (auto), or one of them.
    #[arg(long, value_parser = one_of::<StartKind>(STARTS.map(StartKind::name)), default_value_t = StartKind::Auto)]
    start: StartKind,
    /// Also edit the photos of this folder with the fine-tuned adapter, into OUT/edited.
    #[arg(long, value_name = "DIR")]
    apply: Option<PathBuf>,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/your-style")]
    out: PathBuf,
}

/// Which image of a pair becomes which.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Direction {
    /// input/ or the left image becomes target/ or the right one
    #[value(name = "AtoB")]
    AToB,
    /// The other way round, as pix2pix's facades needs it
    #[value(name = "BtoA")]
    BToA,
}

/// The starts that a user may want.
const STARTS: [StartKind; 7] = [
    StartKind::Auto,
    StartKind::Denoised,
    StartKind::Zero,
    StartKind::Nearest,
    StartKind::Interpolated,
    StartKind::BestByPairs,
    StartKind::Mean,
];

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
    let counts = PairCounts {
        train: if args.cluster {
            usize::MAX
        } else {
            args.n_train
        },
        test: args.n_test,
        shown: 5,
    };
    let size = base.config.image_size;
    let assets = args.model.paths();
    let zoo = assets.open_zoo(predictor.base())?;
    let network = assets.load_feature_network(&device)?;
    let mut pairs = ConceptPairs::folder(&args.pairs, &args.prompt, counts, size, &device)?;
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

impl Args {
    fn edited(&self) -> PathBuf {
        self.out.join("edited")
    }

    /// Refuses outputs that would replace pairs, photos, files of the model or one another.
    fn check_places(&self) -> Result<()> {
        let mut places = reads_pairs(self.model.places(), &self.pairs)?
            .reads_all(zoo_files(&self.model.paths().zoo))
            .writes_all(
                [
                    "start.safetensors",
                    "adapter.safetensors",
                    "report.json",
                    "grid.png",
                ]
                .map(|name| self.out.join(name)),
            );
        if let Some(photos) = &self.apply {
            let plan = plan_edits(photos, &self.edited())?;
            places = places.reads_all(plan.iter().map(|edit| &edit.photo));
            places = places.writes_all(plan.iter().map(|edit| &edit.edited));
        }
        self.common.check_places(places)
    }
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
