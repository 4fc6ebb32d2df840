//! Trains an adapter for each training concept and puts it into a zoo.
//!
//! ```sh
//! cargo run --release --example collect -- --out out/zoo
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use concepts::pairs::list_training_pairs;
use concepts::read_concepts;
use denoised_weights::collecting::{CollectEvent, CollectOptions, Collector};
use denoised_weights::memory::training_mib;
use denoised_weights::pairs::{
    ConceptSource, PairCounts, PhotoSplits, listed_sources, training_sources,
};
use denoised_weights::{Assets, Error, Preset};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::files::Places;
use denoised_weights_examples::limits::limit;
use denoised_weights_examples::options::{
    AssetArgs, BaseArg, MemoryArgs, PhotosArg, TextArgs, at_least, zoo_files,
};
use denoised_weights_examples::progress::Progress;
use finetune::Recipe;
use serde::Serialize;
use weight_blocks::{Checkpoint, Zoo};

/// Train the LoRA adapter of each training concept from the frozen base and append it, with the checkpoints
/// of its last epochs, to a zoo. After an interruption (kill -9 included), the same command continues after
/// the last finished epoch and ends with the same zoo. Several processes may collect into one zoo; each
/// concept is trained by one of them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    base: BaseArg,
    #[command(flatten)]
    photos: PhotosArg,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    text: TextArgs,
    /// The zoo to create or to continue; one with concepts of other --epochs, --lr, --decay or --seed is refused.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of prepared pairs (see prepare_pairs): a folder per concept with `prompt.txt` and
    /// pairs. Without it, the shipped training concepts are edited in memory.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// The training concepts of this list (JSON, as draw_concepts writes it) instead of the shipped one.
    #[arg(long, value_name = "FILE", conflicts_with = "pairs")]
    concepts: Option<PathBuf>,
    /// Also write a small copy of the zoo for shipping: the last checkpoints as 16-bit floats.
    #[arg(long, value_name = "DIR")]
    small: Option<PathBuf>,
    /// Only these concepts of the list or of --pairs, comma-separated.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The share of the concepts that this process trains, such as 0/2 and 1/2 for two processes.
    #[arg(long, value_name = "I/N", default_value = "0/1", value_parser = shard)]
    shard: (usize, usize),
    /// Epochs per concept [default: 10; with a base of the preset paper 100].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
    epochs: Option<usize>,
    /// Number of checkpoints kept per concept, from the last epochs.
    #[arg(
        long,
        default_value_t = 3,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    keep: usize,
    /// End a concept's training before all epochs are done: when as many epochs as checkpoints are kept have lowered
    /// its Fréchet distance on the validation pairs by less than this many percent. The learning rates are then constant.
    #[arg(
        long,
        value_name = "PERCENT",
        allow_negative_numbers = true,
        conflicts_with = "decay"
    )]
    plateau: Option<f64>,
    /// Training pairs per concept.
    #[arg(
        long,
        default_value_t = 48,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    n_train: usize,
    /// Number of validation pairs that each checkpoint is measured on.
    #[arg(
        long,
        default_value_t = 20,
        value_parser = at_least::<usize>(2),
        allow_negative_numbers = true
    )]
    n_validation: usize,
    /// Last share of the epochs over which the learning rates fall towards zero, which reduces random differences
    /// between weights [default: 0.5; with a base of the preset paper 0].
    #[arg(long, allow_negative_numbers = true)]
    decay: Option<f64>,
    /// Learning rate of the adapter [default: the preset's].
    #[arg(long, allow_negative_numbers = true)]
    lr: Option<f64>,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed = text
        .split_once('/')
        .and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((i, n)) if i < n => Ok((i, n)),
        _ => Err("give I/N with I from 0 to N-1, such as 0/2".into()),
    }
}

#[derive(Serialize)]
struct Report {
    zoo: PathBuf,
    collected_this_run: usize,
    entries: usize,
    blocks: usize,
    seconds_this_run: f64,
    /// SHA-256 of the base.
    base: String,
    recipe: Recipe,
    concepts: BTreeMap<String, Collected>,
}

/// The checkpoints of a concept in the zoo.
#[derive(Serialize)]
struct Collected {
    prompt: String,
    checkpoints: Vec<Checkpoint>,
}

/// Adds the options to an error that they can cause.
fn name_options(error: Error) -> Box<dyn std::error::Error + Send + Sync> {
    match error {
        Error::KeptCheckpoints { .. } => format!("{error} (--keep, --epochs)").into(),
        Error::OtherRecipe { .. } => {
            format!("{error}\n(--epochs, --lr, --decay, --plateau, --seed, --out)").into()
        }
        error => error.into(),
    }
}

fn manifest(zoo: &Zoo) -> BTreeMap<String, Collected> {
    let mut concepts: BTreeMap<String, Collected> = BTreeMap::new();
    for entry in zoo.entries() {
        let slot = (concepts.entry(entry.concept.clone())).or_insert_with(|| Collected {
            prompt: entry.prompt.clone(),
            checkpoints: Vec::new(),
        });
        slot.checkpoints.push(Checkpoint {
            epoch: entry.epoch,
            metrics: entry.metrics.clone(),
        });
    }
    concepts
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| collect(&args))
}

/// What a concept's pairs are limited by.
const LIMITED: [(&str, &str); 2] = [
    ("training pairs", "--n-train"),
    ("validation pairs", "--n-validation"),
];

fn collect(args: &Args) -> Result<()> {
    args.check_places()?;
    let device = args.common.device()?;
    let assets = args.paths();
    let base = assets.load_base(&device)?;
    let encoder = args.text.load(&device)?;
    let network = assets.load_feature_network(&device)?;
    let options = args.options(Preset::of(&base.config));
    let recipe = options.recipe.clone();
    let size = base.config.image_size;
    let photos = match args.pairs {
        Some(_) => None,
        None => Some(PhotoSplits::read(&assets.photos, size)?),
    };
    let mine = args.sources()?;
    let held = args.pairs_in_memory(&mine, photos.as_ref())?;
    let needed = training_mib(&base.generator, recipe.batch_size, size, held);
    args.memory.check(needed)?;
    let mut collector = Collector::open(&args.out, &base, &encoder, &network, options, &device)
        .map_err(name_options)?;
    let blocks = collector.zoo().layout().blocks();
    println!(
        "{} concepts, {blocks} blocks of {} each, zoo {}",
        mine.len(),
        collector.zoo().layout().block_size(),
        display(&args.out)
    );

    let started = Instant::now();
    let in_zoo = |name: &String| collector.zoo().contains(name);
    let mut done = mine.iter().filter(|(name, _)| in_zoo(name)).count() as u64;
    let mut progress = Progress::new("collect", mine.len() as u64, done);
    let collected = collector.collect(&mine, photos.as_ref(), |event| match event {
        CollectEvent::Busy { concept } => {
            progress.line(&format!("{concept}: another process trains it"));
        }
        CollectEvent::Begin { concept, given } => {
            let taken = [(given.train, args.n_train), (given.test, args.n_validation)];
            for ((given, count), (what, option)) in taken.into_iter().zip(LIMITED) {
                if let Some(note) = limit(what, count.min(given), given, option) {
                    progress.line(&format!("{concept}: {note}"));
                }
            }
        }
        CollectEvent::Collected { concept, metrics } => {
            done += 1;
            let l1 = metrics.get("l1").copied().unwrap_or(f64::NAN);
            progress.set(done, format!("{concept}: L1 {l1:.4}"));
        }
    })?;
    progress.finish();
    let zoo = collector.zoo();
    if let Some(dir) = &args.small {
        let small = zoo.export_small(dir)?;
        println!(
            "small copy {}: {} entries",
            display(dir),
            small.entries().len()
        );
    }
    let report = Report {
        zoo: args.out.clone(),
        collected_this_run: collected,
        entries: zoo.entries().len(),
        blocks,
        seconds_this_run: started.elapsed().as_secs_f64(),
        base: base.digest.clone(),
        recipe,
        concepts: manifest(zoo),
    };
    println!(
        "zoo {}: {} entries ({collected} concepts in this run, {:.0} s)",
        display(&args.out),
        report.entries,
        report.seconds_this_run
    );
    args.common.write_json(&report)
}

impl Args {
    /// The paths that the options name.
    fn paths(&self) -> Assets {
        self.photos.of(self.base.of(self.assets.paths()))
    }

    /// The pairs of the concept that has the most.
    fn pairs_in_memory(
        &self,
        concepts: &[(String, ConceptSource)],
        photos: Option<&PhotoSplits>,
    ) -> Result<usize> {
        let used =
            |train: usize, rest: usize| self.n_train.min(train) + self.n_validation.min(rest);
        if let Some(photos) = photos {
            return Ok(used(photos.train.len(), photos.validation.len()));
        }
        let mut most = 0;
        for (_, source) in concepts {
            if let ConceptSource::Folder(dir, _) = source {
                let listed = list_training_pairs(dir)?.len();
                most = most.max(used(listed, listed));
            }
        }
        Ok(most)
    }

    /// Refuses outputs that would replace pairs, photos, the base or one another.
    fn check_places(&self) -> Result<()> {
        let paths = self.paths();
        let places = Places::new()
            .reads_all(paths.base_files())
            .reads_all(self.text.folder())
            .reads(&paths.feature_network)
            .reads_all(&self.pairs)
            .reads_all(&self.concepts)
            .writes_all(zoo_files(&self.out))
            .writes(self.out.join("work"))
            .writes_all(self.small.iter().flat_map(|dir| zoo_files(dir)));
        let places = match self.pairs {
            Some(_) => places,
            None => places.reads_directly_in(&paths.photos),
        };
        self.common.check_places(places)
    }

    fn options(&self, preset: Preset) -> CollectOptions {
        let recipe = preset.collecting();
        CollectOptions {
            recipe: Recipe {
                epochs: self.epochs.unwrap_or(recipe.epochs),
                lr_generator: self.lr.unwrap_or(recipe.lr_generator),
                decay: match self.plateau {
                    Some(_) => 0.0,
                    None => self.decay.unwrap_or(recipe.decay),
                },
                seed: self.common.seed,
                ..recipe
            },
            keep: self.keep,
            plateau: self.plateau.map(|percent| percent / 100.0),
            counts: PairCounts {
                train: self.n_train,
                test: self.n_validation,
                shown: 0,
            },
        }
    }

    /// This process's share of the concepts.
    fn sources(&self) -> Result<Vec<(String, ConceptSource)>> {
        let (part, parts) = self.shard;
        let all = match &self.concepts {
            Some(path) => listed_sources(read_concepts(path)?, &self.only)?,
            None => training_sources(self.pairs.as_deref(), &self.only)?,
        };
        let numbered = all.into_iter().enumerate();
        Ok(numbered
            .filter_map(|(i, source)| (i % parts == part).then_some(source))
            .collect())
    }
}
