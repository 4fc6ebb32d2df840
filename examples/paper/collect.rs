//! Trains an adapter for each training concept and puts it into a zoo.
//!
//! ```sh
//! cargo run --release --example collect -- --out out/zoo
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use clap::Parser;
use denoised_weights_examples::assets::{AssetArgs, display};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::data::{ConceptPairs, Counts, Photos};
use denoised_weights_examples::denoised::{BLOCK_SIZE, layout_of};
use denoised_weights_examples::files::Lock;
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::sources::{Source, training_sources};
use denoised_weights_examples::{Result, files};
use finetune::{ConceptTrainer, HeldOut, Initializer, Recipe, Zero};
use lora_gan::BaseGenerator;
use serde::Serialize;
use weight_blocks::{Checkpoint, ConceptRecord, WeightSpace, Zoo};

/// Train the LoRA adapter of each training concept from the frozen base and append it, with the
/// checkpoints of its last epochs, to a zoo. Run again after an interruption (kill -9 included), it
/// goes on from the last finished epoch and ends with the same zoo. Several processes may collect into
/// one zoo: a concept is trained by one of them.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    /// The zoo to make or go on with.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of prepared pairs (see prepare_pairs): a folder per concept with `prompt.txt` and
    /// pairs. Without it, the shipped training concepts are edited in memory.
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Also write a small copy of the zoo, for shipping: the last checkpoints, as 16-bit floats.
    #[arg(long, value_name = "DIR")]
    small: Option<PathBuf>,
    /// Only these concepts of the shipped list or of --pairs, comma-separated.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// This process's part of the concepts, such as 0/2 and 1/2 for two processes on one zoo.
    #[arg(long, value_name = "I/N", default_value = "0/1", value_parser = shard)]
    shard: (usize, usize),
    /// Epochs per concept.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Checkpoints kept per concept, of the last epochs.
    #[arg(long, default_value_t = 3)]
    keep: usize,
    /// Training pairs per concept.
    #[arg(long, default_value_t = 48)]
    n_train: usize,
    /// Validation pairs that each checkpoint is measured on.
    #[arg(long, default_value_t = 20)]
    n_validation: usize,
    /// Last share of the epochs over which the learning rates fall to zero: settled weights differ
    /// less by chance.
    #[arg(long, default_value_t = 0.5)]
    decay: f64,
    /// Learning rate of the adapter.
    #[arg(long, default_value_t = Recipe::compact().lr_generator)]
    lr: f64,
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

/// What the zoo has of a concept.
#[derive(Serialize)]
struct Collected {
    prompt: String,
    checkpoints: Vec<Checkpoint>,
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

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| collect(&args))
}

fn collect(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let base = args.assets.load_base(&device)?;
    let layout = layout_of(&base, BLOCK_SIZE)?;
    let mut zoo = Zoo::create(&args.out, &layout, &base.digest)?;
    let network = args.assets.load_features(&device)?;
    let recipe = Recipe {
        epochs: args.epochs,
        lr_generator: args.lr,
        decay: args.decay,
        seed: args.common.seed,
        ..Recipe::compact()
    };
    recipe.validate()?;
    if args.keep == 0 || args.keep > args.epochs {
        return Err(format!("--keep {}: keep 1 to --epochs checkpoints", args.keep).into());
    }
    let sources = training_sources(args.pairs.as_deref(), &args.only)?;
    let (part, parts) = args.shard;
    let mine: Vec<_> = sources
        .into_iter()
        .enumerate()
        .filter_map(|(i, source)| (i % parts == part).then_some(source))
        .collect();
    let photos = match args.pairs {
        Some(_) => None,
        None => Some(Photos::read(
            &args.assets.photos_dir(),
            base.config.image_size,
        )?),
    };
    let counts = Counts {
        train: args.n_train,
        test: args.n_validation,
        shown: 0,
    };
    println!(
        "{} concepts, {} blocks of {} each, zoo {}",
        mine.len(),
        layout.blocks(),
        layout.block_size(),
        display(&args.out)
    );

    let started = Instant::now();
    let done = mine.iter().filter(|(name, _)| zoo.contains(name)).count();
    let mut progress = Progress::new("collect", mine.len() as u64, done as u64);
    let mut collected = 0;
    // Concepts that another process trains come again at the end, for the case that it is killed.
    let mut queue: VecDeque<_> = mine.iter().map(|concept| (concept, false)).collect();
    while let Some((concept, wait)) = queue.pop_front() {
        let (name, source) = concept;
        if zoo.is_recorded(name)? {
            tidy(args, name)?;
            continue;
        }
        let lock = if wait {
            Lock::wait(&lock_file(args, name))?
        } else if let Some(lock) = Lock::try_take(&lock_file(args, name))? {
            lock
        } else {
            progress.line(&format!("{name}: another process trains it"));
            queue.push_back((concept, true));
            continue;
        };
        if zoo.is_recorded(name)? {
            clear(args, name, lock)?;
            continue;
        }
        let size = base.config.image_size;
        let pairs = match (source, &photos) {
            (Source::List(concept), Some(photos)) => ConceptPairs::edited(
                concept,
                &photos.train,
                &photos.validation,
                counts,
                size,
                &device,
            )?,
            (Source::List(concept), None) => {
                return Err(format!("{}: no photos to edit", concept.name).into());
            }
            (Source::Folder(dir, prompt), _) => {
                ConceptPairs::folder(dir, prompt, counts, size, &device)?
            }
        };
        let held_out = HeldOut::new(&network, &pairs.test)?;
        let record = train(args, &base, name, &pairs, &held_out, &recipe, &device)?;
        let quality = record.0.checkpoints.last().map(|c| c.metrics.clone());
        zoo.append(&record.0, &record.1)?;
        clear(args, name, lock)?;
        collected += 1;
        let note = quality.map_or(String::new(), |q| {
            format!("{name}: L1 {:.4}", q.get("l1").copied().unwrap_or(f64::NAN))
        });
        progress.set((done + collected) as u64, note);
    }
    progress.finish();
    zoo.refresh()?;
    if let Some(dir) = &args.small {
        let small = zoo.export_small(dir)?;
        println!(
            "small copy {}: {} entries",
            display(dir),
            small.entries().len()
        );
    }
    // Another process's states may still lie here; the last one out removes the folder.
    let _ = std::fs::remove_dir(args.out.join("work"));
    let report = Report {
        zoo: args.out.clone(),
        collected_this_run: collected,
        entries: zoo.entries().len(),
        blocks: layout.blocks(),
        seconds_this_run: started.elapsed().as_secs_f64(),
        base: base.digest.clone(),
        recipe,
        concepts: manifest(&zoo),
    };
    println!(
        "zoo {}: {} entries ({collected} concepts in this run, {:.0} s)",
        display(&args.out),
        report.entries,
        report.seconds_this_run
    );
    if let Some(path) = &args.common.json {
        files::write_json(path, &report)?;
    }
    Ok(())
}

/// Where a concept in training keeps its state: per epoch the networks, and the kept checkpoints.
fn work(args: &Args, name: &str) -> PathBuf {
    args.out.join("work").join(name)
}

fn lock_file(args: &Args, name: &str) -> PathBuf {
    args.out.join("work").join(format!("{name}.lock"))
}

/// Removes a finished concept's state, then its lock: a process that waits for it finds the concept
/// in the zoo.
fn clear(args: &Args, name: &str, lock: Lock) -> Result<()> {
    files::discard(&work(args, name))?;
    lock.remove()
}

/// [`clear`] after a process that was killed between adding the concept and clearing.
fn tidy(args: &Args, name: &str) -> Result<()> {
    let lock = lock_file(args, name);
    if !lock.exists() && !work(args, name).exists() {
        return Ok(());
    }
    match Lock::try_take(&lock)? {
        Some(lock) => clear(args, name, lock),
        None => Ok(()),
    }
}

fn train(
    args: &Args,
    base: &BaseGenerator,
    name: &str,
    pairs: &ConceptPairs,
    held_out: &HeldOut<'_>,
    recipe: &Recipe,
    device: &Device,
) -> Result<(ConceptRecord, Vec<weight_blocks::NamedTensors>)> {
    let dir = work(args, name);
    let start = Zero::new(base.generator.read_weights()?).start(&pairs.prompt)?;
    let mut trainer = ConceptTrainer::resume(
        &base.generator,
        &start.weights,
        recipe.clone(),
        device,
        &dir.join("state"),
    )?;
    let kept = |epoch: usize| dir.join(format!("epoch-{epoch:04}.safetensors"));
    let first_kept = recipe.epochs + 1 - args.keep;
    while trainer.epochs_done() < recipe.epochs {
        trainer.epoch(&pairs.train)?;
        if trainer.epochs_done() >= first_kept {
            let path = kept(trainer.epochs_done());
            weight_blocks::save_safetensors(&path, &trainer.adapter()?, &BTreeMap::new())?;
        }
        trainer.save_state(&dir.join("state"))?;
    }
    let mut checkpoints = Vec::new();
    let mut weights = Vec::new();
    for epoch in first_kept..=recipe.epochs {
        let (adapter, _) = weight_blocks::load_safetensors(&kept(epoch))?;
        let mut generator = base.generator.clone();
        generator.load_weights(&adapter)?;
        let quality = held_out.measure(&generator)?;
        let metrics = BTreeMap::from([
            (held_out.metric_name(), quality.frechet),
            ("l1".to_owned(), quality.l1),
            ("ssim".to_owned(), quality.ssim),
        ]);
        checkpoints.push(Checkpoint { epoch, metrics });
        weights.push(adapter);
    }
    let record = ConceptRecord {
        concept: name.to_owned(),
        prompt: pairs.prompt.clone(),
        seed: recipe.seed,
        recipe: serde_json::to_value(recipe)?,
        checkpoints,
    };
    Ok((record, weights))
}
