//! The main job: a held-out concept's weights in one step, fine-tuned beside its rivals.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::Device;
use clap::Parser;
use clean_fid::{EfficientNetLite0, FeatureNet};
use concepts::{Concept, Split, art_concepts, find};
use denoised_weights::AdapterPredictor;
use denoised_weights::comparison::{Comparison, MethodReport, Outcome};
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits, concepts_of};
use denoised_weights::starts::{StartKind, Starts};
use denoised_weights::weights::zoo_distance;
use denoised_weights_examples::assets::{AssetArgs, TextArgs, display};
use denoised_weights_examples::cli::{Common, one_of, parse, run};
use denoised_weights_examples::picture::{Column, write_curves, write_grid};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::report::{self, ConceptReport, Report, Summary};
use denoised_weights_examples::{Result, files};
use finetune::{Evaluator, Initializer, Recipe};
use weight_blocks::Zoo;

/// Predict a concept's LoRA weights from its text in one denoising step, fine-tune them, and train
/// the rivals on the same data: zero LoRA (E²GAN), random LoRA of the zoo's scale, the zoo's mean,
/// the nearest zoo concept, and the generator asked with a wrong prompt. Writes grid.png,
/// curves.svg, report.json and the trained adapter.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    text: TextArgs,
    /// A held-out concept of the shipped list [default: teal-charcoal-sketch].
    #[arg(long, conflicts_with_all = ["prompt", "all_held_out", "validation"])]
    concept: Option<String>,
    /// Your own concept, in words; needs --pairs.
    #[arg(long, requires = "pairs", conflicts_with_all = ["all_held_out", "validation"])]
    prompt: Option<String>,
    /// Your own pairs: DIR/input/NAME.* and DIR/target/NAME.*, side-by-side files, or
    /// train/val/test subfolders of these.
    #[arg(long, value_name = "DIR", requires = "prompt")]
    pairs: Option<PathBuf>,
    /// All test concepts one after another.
    #[arg(long)]
    all_held_out: bool,
    /// All validation concepts on the validation photos: for choosing settings, not for reporting.
    #[arg(long, conflicts_with = "all_held_out")]
    validation: bool,
    /// At most this many concepts of --all-held-out or --validation.
    #[arg(long)]
    limit: Option<usize>,
    /// Starts to train; zero is the yardstick of the times.
    #[arg(long, value_delimiter = ',', default_values_t = StartKind::ALL, value_parser = one_of::<StartKind>(StartKind::ALL.map(StartKind::name)))]
    methods: Vec<StartKind>,
    /// Epochs.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Training pairs.
    #[arg(long, default_value_t = 64)]
    n_train: usize,
    /// Test pairs.
    #[arg(long, default_value_t = 60)]
    n_test: usize,
    /// Learning rate of the adapter.
    #[arg(long, default_value_t = Recipe::compact().lr_generator)]
    lr: f64,
    /// Steps over which the learning rates rise from zero.
    #[arg(long, default_value_t = Recipe::compact().warmup_steps)]
    warmup: usize,
    /// Last share of the epochs over which the learning rates fall to zero.
    #[arg(long, default_value_t = Recipe::compact().decay)]
    decay: f64,
    /// Weight of the GAN loss; 0 trains without a discriminator, in about half the time per step.
    #[arg(long, default_value_t = Recipe::compact().gan_weight)]
    gan_weight: f64,
    /// Timestep of the one denoising step [default: the generator's].
    #[arg(long)]
    t: Option<usize>,
    /// Predictions from different noise that are averaged [default: the generator's].
    #[arg(long)]
    noises: Option<usize>,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/quickstart")]
    out: PathBuf,
}

const DEFAULT_CONCEPT: &str = "teal-charcoal-sketch";
/// Rows of grid.png.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| quickstart(&args))
}

/// What every concept's run shares.
struct Bench<'a> {
    args: &'a Args,
    device: Device,
    predictor: AdapterPredictor,
    zoo: Zoo,
    network: EfficientNetLite0,
    recipe: Recipe,
}

fn quickstart(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let assets = args.assets.paths();
    let predictor = args.assets.load_predictor(&args.text, &device)?;
    let zoo = assets.open_zoo(predictor.base())?;
    let recipe = Recipe {
        epochs: args.epochs,
        lr_generator: args.lr,
        warmup_steps: args.warmup,
        decay: args.decay,
        gan_weight: args.gan_weight,
        seed: args.common.seed,
        ..Recipe::compact()
    };
    let bench = Bench {
        args,
        network: assets.load_feature_network(&device)?,
        device,
        predictor,
        zoo,
        recipe,
    };
    let runs = concept_pairs(&bench)?;
    files::check_writable(&args.out)?;
    let single = runs.len() == 1;
    let mut report = Report {
        version: report::VERSION,
        seed: args.common.seed,
        device: args.common.device.clone(),
        quality: bench.network.metric_name("frechet"),
        concepts: Vec::new(),
        summary: Summary::default(),
    };
    for prepare in runs {
        let pairs = prepare(&bench)?;
        let dir = if single {
            args.out.clone()
        } else {
            args.out.join(&pairs.name)
        };
        let concept = bench.compare(&pairs, &dir)?;
        print_table(&report.quality, &concept);
        report.concepts.push(concept);
        report.summary = Summary::of(&report.concepts);
        // After each concept, so that an interrupted run leaves what it measured.
        files::write_json(&args.out.join("report.json"), &report)?;
    }
    if !single {
        print_summary(&report);
    }
    println!("wrote {}", display(&args.out));
    args.common.write_json(&report)
}

type Prepare<'a> = Box<dyn Fn(&Bench<'_>) -> Result<ConceptPairs> + 'a>;

/// The concepts to run, their pairs made only when it is their turn.
fn concept_pairs<'a>(bench: &Bench<'a>) -> Result<Vec<Prepare<'a>>> {
    let args = bench.args;
    let counts = PairCounts {
        train: args.n_train,
        test: args.n_test,
        shown: SHOWN,
    };
    if let (Some(prompt), Some(dir)) = (&args.prompt, &args.pairs) {
        return Ok(vec![Box::new(move |bench| {
            let size = bench.image_size();
            Ok(ConceptPairs::folder(
                dir,
                prompt,
                counts,
                size,
                &bench.device,
            )?)
        })]);
    }
    let split = if args.validation {
        Split::Validation
    } else {
        Split::Test
    };
    let chosen: Vec<Concept> = if args.all_held_out || args.validation {
        let held_out = concepts_of(split).into_iter();
        held_out.take(args.limit.unwrap_or(usize::MAX)).collect()
    } else {
        let list = art_concepts();
        let concept = find(&list, args.concept.as_deref().unwrap_or(DEFAULT_CONCEPT))?;
        if concept.split == Split::Train {
            eprintln!(
                "note: {} is a training concept: the weight generator and the base have seen it",
                concept.name
            );
        }
        vec![concept.clone()]
    };
    let photos = PhotoSplits::read(&args.assets.paths().photos, bench.image_size())?;
    let photos = std::rc::Rc::new(photos);
    Ok(chosen
        .into_iter()
        .map(|concept| {
            let photos = photos.clone();
            let prepare = move |bench: &Bench<'_>| {
                let measured = if concept.split == Split::Validation {
                    &photos.validation
                } else {
                    &photos.test
                };
                let size = bench.image_size();
                let train = &photos.train;
                let device = &bench.device;
                Ok(ConceptPairs::edited(
                    &concept, train, measured, counts, size, device,
                )?)
            };
            Box::new(prepare) as Prepare<'a>
        })
        .collect())
}

impl Bench<'_> {
    fn image_size(&self) -> usize {
        self.predictor.base().config.image_size
    }

    fn compare(&self, pairs: &ConceptPairs, dir: &Path) -> Result<ConceptReport> {
        println!(
            "\n{} ({:?}): {} training pairs, {} test pairs",
            pairs.name,
            pairs.prompt,
            pairs.train.len(),
            pairs.test.len()
        );
        let evaluator = Evaluator::new(&self.network, &pairs.test)?;
        let shown = pairs.shown_photos(self.image_size(), &self.device)?;
        let comparison = Comparison {
            base: &self.predictor.base().generator,
            pairs,
            shown: &shown,
            evaluator: &evaluator,
            recipe: &self.recipe,
            device: &self.device,
        };
        let generator = self.predictor.generator();
        let mut options = generator.defaults();
        options.seed = self.args.common.seed;
        options.t = self.args.t.unwrap_or(options.t);
        options.noises = self.args.noises.unwrap_or(options.noises);
        let starts = Starts {
            predictor: &self.predictor,
            generator,
            zoo: &self.zoo,
            options,
            seed: self.args.common.seed,
        };
        let others: Vec<String> = concepts_of(Split::Test)
            .into_iter()
            .map(|concept| concept.prompt)
            .collect();

        let mut columns = Vec::from(Column::of_pairs(&pairs.shown));
        let mut methods: BTreeMap<String, MethodReport> = BTreeMap::new();
        let total = (self.args.methods.len() * (self.recipe.epochs + 1)) as u64;
        let mut finished = 0;
        let mut progress = Progress::new("train", total, 0);
        for method in &self.args.methods {
            let mut outcome = {
                let mut train = |initializer: &dyn Initializer| -> Result<Outcome> {
                    Ok(comparison.fine_tune(initializer, |point| {
                        let (name, epoch) = (initializer.name(), point.epoch);
                        let note = format!("{name} epoch {epoch:.2}: {:.2}", point.quality);
                        progress.set(finished + epoch as u64, note);
                    })?)
                };
                if *method == StartKind::Denoised {
                    let start = starts.denoised();
                    let outcome = train(&start)?;
                    if let Some(prediction) = start.take_prediction() {
                        progress.line(&format!(
                            "norm of the predicted weights {:.2}, of the zoo's {:.2} ± {:.2}",
                            prediction.norm, prediction.zoo_norm_mean, prediction.zoo_norm_std
                        ));
                        if let Some(warning) = prediction.norm_warning() {
                            progress.line(&format!("warning: {warning}"));
                        }
                    }
                    outcome
                } else {
                    train(&*starts.make(*method, &pairs.prompt, &others)?)?
                }
            };
            finished += self.recipe.epochs as u64 + 1;
            let name = method.name();
            if *method == StartKind::Denoised {
                if let Some((distance, concept)) = zoo_distance(&outcome.start, &self.zoo)? {
                    outcome.report.zoo_distance = Some(distance);
                    progress.line(&format!(
                        "the prediction's closest zoo entry is {concept}, {distance:.2} away in L2"
                    ));
                }
                let base = self.predictor.base();
                base.save_adapter(&dir.join("start.safetensors"), &outcome.start)?;
                base.save_adapter(&dir.join("adapter.safetensors"), &outcome.trained)?;
            }
            columns.push(Column::new(format!("{name}\nat 0"), outcome.before));
            columns.push(Column::new(
                format!("{name}\nepoch {}", self.recipe.epochs),
                outcome.after,
            ));
            methods.insert(name.to_owned(), outcome.report);
        }
        progress.finish();
        let mut concept = ConceptReport {
            name: pairs.name.clone(),
            prompt: pairs.prompt.clone(),
            seed: self.args.common.seed,
            n_train: pairs.train.len(),
            n_test: pairs.test.len(),
            methods,
        };
        concept.resolve_targets();
        write_grid(&dir.join("grid.png"), &columns)?;
        write_curves(&dir.join("curves.svg"), &evaluator.metric_name(), &concept)?;
        Ok(concept)
    }
}

fn print_table(quality: &str, concept: &ConceptReport) {
    println!("quality: {quality}, lower is better");
    println!(
        "{:14} {:>10} {:>12} {:>12} {:>16} {:>9} {:>9}",
        "start", "predict s", "at epoch 0", "final", "s to zero's end", "total s", "L1 final"
    );
    for (name, method) in &concept.methods {
        let reached = method
            .seconds_to_zero_final
            .map_or("never".to_owned(), |s| format!("{s:.2}"));
        let last = method.curve.last();
        println!(
            "{name:14} {:>10.3} {:>12.3} {:>12.3} {reached:>16} {:>9.2} {:>9.4}",
            method.predict_seconds,
            method.quality_at_0().unwrap_or(f64::NAN),
            method.final_quality,
            last.map_or(f64::NAN, |p| p.seconds),
            last.map_or(f64::NAN, |p| p.l1),
        );
    }
    if let Some(speedup) = concept.speedup() {
        println!("denoised reaches zero's final quality {speedup:.1} times faster");
    }
}

fn print_summary(report: &Report) {
    let s = &report.summary;
    println!(
        "\n{} concepts; quality: {}",
        report.concepts.len(),
        report.quality
    );
    for (what, count) in [
        ("the zero start", &s.denoised_beats_zero_at_0),
        ("the nearest zoo concept", &s.denoised_beats_nearest_at_0),
        ("the zoo's mean", &s.denoised_beats_mean_at_0),
        ("the wrong prompt", &s.denoised_beats_wrong_prompt_at_0),
    ] {
        // 0/0: one of the two was not run.
        if count != "0/0" {
            println!("denoised start better at epoch 0 than {what}: {count}");
        }
    }
    if let Some(speedup) = s.median_speedup_over_zero {
        println!(
            "zero's final quality reached by {} of the denoised starts, {speedup:.1} times faster in the median",
            s.reached_zero_final
        );
    }
}
