//! The paper's Table 1, Figure 3 and Figure 4 on held-out concepts, or on pairs of your own.
//!
//! ```sh
//! cargo run --release --example compare -- --limit 2 --seeds 1
//! ```

mod cells;
mod charts;
mod gallery;
mod measure;
mod pages;
mod plan;
mod results;
mod stats;
mod store;
mod table;

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clean_fid::FeatureNet;
use concepts::Split;
use denoised_weights::comparison::baselines::Baseline;
use denoised_weights::pairs::{PairCounts, PhotoSplits};
use denoised_weights::run::{RunLock, claim};
use denoised_weights::starts::StartKind;
use denoised_weights_examples::assets::{AssetArgs, TextArgs, display};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use finetune::Recipe;
use measure::{Bench, Method};
use plan::Subject;
use results::Results;
use store::Store;

/// Train the paper's rivals and ours side by side on every concept, with several seeds: pix2pix and
/// Co-Mod-GAN from scratch, E²GAN (LoRA from zero), LoRA from the zoo's mean, from its nearest concept, and
/// from the generated weights. Writes report.html (one file, opens from the disk), report.json, report.md,
/// curves and grids. What is measured already is kept: run again after an interruption, or with more seeds,
/// concepts or methods, it goes on. Several processes may share a folder.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Your own pairs: a folder per concept below DIR, each with input/ and target/, side-by-side files, or
    /// train/val/test subfolders of these.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// The prompts of --pairs: JSON {"folder": "prompt", ...} [default: each folder's prompt.txt].
    #[arg(long, value_name = "FILE", requires = "pairs")]
    prompts: Option<PathBuf>,
    /// The validation concepts on validation photos instead of the held-out ones: for choosing settings.
    #[arg(long, conflicts_with = "pairs")]
    validation: bool,
    /// At most this many concepts.
    #[arg(long)]
    limit: Option<usize>,
    /// Runs of each concept, with seeds from --seed on.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// What to compare, of pix2pix, comod, zero (E²GAN, the yardstick), random, mean, nearest, wrong_prompt,
    /// denoised (ours) and denoised_l1 (ours, trained without a discriminator: half the time per step).
    #[arg(long, value_parser = method, value_delimiter = ',', default_value = METHODS)]
    methods: Vec<Method>,
    /// Another weight generator of the same base to compare with, NAME=DIR; may be given several times.
    #[arg(long, value_name = "NAME=DIR", value_parser = named_dir)]
    also: Vec<(String, PathBuf)>,
    /// Epochs of E²GAN, LoRA from zero.
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Epochs of LoRA from all other starts [the paper: a fifth of E²GAN's].
    #[arg(long, default_value_t = 10)]
    start_epochs: usize,
    /// Epochs of pix2pix [the paper: twice E²GAN's].
    #[arg(long, default_value_t = 40)]
    pix2pix_epochs: usize,
    /// Epochs of Co-Mod-GAN.
    #[arg(long, default_value_t = 20)]
    comod_epochs: usize,
    /// Training pairs.
    #[arg(long, default_value_t = 64)]
    n_train: usize,
    /// Test pairs.
    #[arg(long, default_value_t = 60)]
    n_test: usize,
    /// Write the report of what is there, and measure nothing.
    #[arg(long)]
    report_only: bool,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = "out/compare")]
    out: PathBuf,
}

/// A start, a network from scratch, or the generated start trained without a discriminator.
fn method(text: &str) -> Result<Method, String> {
    if text == Method::WithoutGan.name() {
        return Ok(Method::WithoutGan);
    }
    if let Ok(start) = text.parse() {
        return Ok(Method::Start(start));
    }
    match text.parse() {
        // E²GAN is the start from zero.
        Ok(network) if network != Baseline::E2gan => Ok(Method::Scratch(network)),
        _ => Err(format!("use some of {METHODS},random")),
    }
}

fn named_dir(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir))
            if !dir.is_empty()
                && !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') =>
        {
            Ok((name.to_owned(), PathBuf::from(dir)))
        }
        _ => {
            Err("give NAME=DIR, with a name of letters, digits and -, such as 30=out/small".into())
        }
    }
}

/// Compared unless told otherwise.
const METHODS: &str = "pix2pix,comod,zero,mean,nearest,wrong_prompt,denoised,denoised_l1";
/// Rows of pictures kept per concept.
const SHOWN: usize = 5;

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| compare(&args))
}

fn compare(args: &Args) -> Result<()> {
    let mut subjects = match &args.pairs {
        Some(root) => plan::of_folders(root, args.prompts.as_deref())?,
        None if args.validation => plan::of_list(Split::Validation),
        None => plan::of_list(Split::Test),
    };
    // Of all concepts, so that --limit changes no run.
    let prompts: BTreeSet<String> = subjects.iter().map(|s| s.prompt().to_owned()).collect();
    subjects.truncate(args.limit.unwrap_or(usize::MAX).max(1));
    let mut methods: Vec<Method> = Vec::new();
    for method in &args.methods {
        if !methods.contains(method) {
            methods.push(method.clone());
        }
    }
    for (index, (name, _)) in args.also.iter().enumerate() {
        methods.push(Method::Also(index, name.clone()));
    }
    let seeds: Vec<u64> = (0..args.seeds.max(1))
        .map(|i| args.common.seed + i)
        .collect();
    let device = args.common.device()?;
    let bench = open(args, prompts, device)?;
    files::check_writable(&args.out)?;
    claim_folder(args, &bench)?;
    if !args.report_only {
        measure_all(args, &bench, &subjects, &methods, &seeds)?;
    }
    let names: Vec<String> = methods.iter().map(Method::name).collect();
    let quality = bench.network.metric_name("frechet");
    let device = &args.common.device;
    let results = Results::read(&args.out, &subjects, &seeds, &names, quality, device)?;
    pages::write(&args.out, &results)?;
    print!("{}", cells::text_table(&results));
    println!("wrote {}", display(&args.out.join("report.html")));
    args.common.write_json(&results.json)
}

/// Reads what the runs share, before anything is trained.
fn open(args: &Args, mut prompts: BTreeSet<String>, device: burn::tensor::Device) -> Result<Bench> {
    let assets = args.assets.paths();
    let predictor = args.assets.load_predictor(&args.text, &device)?;
    let also = (args.also.iter())
        .map(|(_, dir)| Ok(predictor.load_generator(dir)?))
        .collect::<Result<Vec<_>>>()?;
    let zoo = assets.open_zoo(predictor.base())?;
    if prompts.len() < 2 {
        // Of a single concept the wrong prompt comes from the zoo.
        prompts.extend(zoo.entries().iter().map(|entry| entry.prompt.clone()));
    }
    Ok(Bench {
        network: assets.load_feature_network(&device)?,
        predictor,
        also,
        zoo,
        prompts: prompts.into_iter().collect(),
    })
}

/// A folder holds runs of one protocol; concepts, seeds and methods may be added.
fn claim_folder(args: &Args, bench: &Bench) -> Result<()> {
    let generator = generator_digest(&args.assets.paths().weight_generator)?;
    let path = args.out.join("protocol.json");
    let _lock = RunLock::wait(&args.out.join("protocol.lock"))?;
    for (name, dir) in &args.also {
        let path = args.out.join(format!("also-{name}.json"));
        claim(&path, path.exists(), &generator_digest(dir)?)?;
    }
    Ok(claim(
        &path,
        path.exists(),
        &serde_json::json!({
            "base": bench.predictor.base().digest,
            "generator": generator,
            "text_encoder": bench.predictor.encoder().spec().digest,
            "zoo_entries": bench.zoo.entries().len(),
            "pairs": args.pairs,
            "validation": args.validation,
            "device": args.common.device,
            "n_train": args.n_train,
            "n_test": args.n_test,
            "epochs": args.epochs,
            "start_epochs": args.start_epochs,
            "pix2pix_epochs": args.pix2pix_epochs,
            "comod_epochs": args.comod_epochs,
        }),
    )?)
}

fn generator_digest(generator: &std::path::Path) -> Result<String> {
    Ok(weight_blocks::file_digest(
        &generator.join(weight_diffusion::WeightGenerator::WEIGHTS_FILE),
    )?)
}

fn recipe(args: &Args, method: &Method, seed: u64) -> Recipe {
    let (recipe, epochs) = match method {
        Method::Scratch(network) => (
            network.recipe(),
            match network {
                Baseline::Pix2pix => args.pix2pix_epochs,
                Baseline::Comod => args.comod_epochs,
                Baseline::E2gan => args.epochs,
            },
        ),
        Method::Start(StartKind::Zero) => (Recipe::compact(), args.epochs),
        _ => (Recipe::compact(), args.start_epochs),
    };
    let gan_weight = match method {
        Method::WithoutGan => 0.0,
        _ => recipe.gan_weight,
    };
    Recipe {
        epochs,
        seed,
        gan_weight,
        ..recipe
    }
}

fn measure_all(
    args: &Args,
    bench: &Bench,
    subjects: &[Subject],
    methods: &[Method],
    seeds: &[u64],
) -> Result<()> {
    let counts = PairCounts {
        train: args.n_train,
        test: args.n_test,
        shown: SHOWN,
    };
    let size = bench.predictor.base().config.image_size;
    let photos = match &args.pairs {
        Some(_) => None,
        None => Some(PhotoSplits::read(&args.assets.paths().photos, size)?),
    };
    let runs: Vec<(&Subject, u64)> = seeds
        .iter()
        .flat_map(|&seed| subjects.iter().map(move |subject| (subject, seed)))
        .collect();
    let total = runs.len() * methods.len();
    let store = |subject: &Subject, seed| Store::new(&args.out, subject.name(), seed);
    let missing = |store: &Store| -> Vec<&Method> {
        methods.iter().filter(|m| !store.has(&m.name())).collect()
    };
    let todo: usize = (runs.iter())
        .map(|(s, seed)| missing(&store(s, *seed)).len())
        .sum();
    let mut done = total - todo;
    let mut progress = Progress::new("compare", total as u64, done as u64);
    // What another process is at comes again at the end.
    let mut queue: VecDeque<_> = runs.into_iter().map(|run| (run, false)).collect();
    while let Some(((subject, seed), wait)) = queue.pop_front() {
        let store = store(subject, seed);
        if missing(&store).is_empty() {
            continue;
        }
        let lock = if wait {
            Some(store.lock()?)
        } else {
            store.try_lock()?
        };
        let Some(_lock) = lock else {
            queue.push_back(((subject, seed), true));
            continue;
        };
        // Of what it was asked for, the other may have done everything meanwhile.
        let missing = missing(&store);
        if missing.is_empty() {
            continue;
        }
        let pairs = subject.pairs(photos.as_ref(), counts, size, bench.predictor.device())?;
        store.add_pairs(&pairs)?;
        for method in missing {
            let recipe = recipe(args, method, seed);
            let label = format!("{} seed {seed} {}", subject.name(), method.name());
            bench.measure(method, &pairs, &recipe, &store, |epoch, quality| {
                progress.set(
                    done as u64,
                    format!("{label} epoch {epoch:.2}: {quality:.1}"),
                );
            })?;
            done += 1;
            progress.set(done as u64, label);
        }
    }
    progress.finish();
    Ok(())
}
