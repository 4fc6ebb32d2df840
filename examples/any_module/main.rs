//! Weights generated for a network that is no GAN: adapters of a classifier of handwritten digits, from tasks in words.
//!
//! ```sh
//! cargo run --release --example any_module -- collect
//! cargo run --release --example any_module -- train
//! cargo run --release --example any_module -- evaluate
//! ```

mod chain;
mod digits;
mod evaluation;
mod network;
mod ridge;
mod starts;
mod table;
mod tasks;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
mod training;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use chain::{BLOCK_HEADS, Chain, Sizes, UNET};
use clap::{Parser, Subcommand};
use denoised_weights::collecting::CollectEvent;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::training::TrainingProgress;
use denoised_weights_examples::{Result, files};
use weight_diffusion::TrainConfig;

/// Generate the adapter of a digit classifier from a task in words: collect adapters of training tasks, train the weight
/// generator on them, and compare its predictions for unseen tasks with other starts.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
    /// Folder of the run; each seed needs its own.
    #[arg(long, global = true, default_value = "out/any-module")]
    out: PathBuf,
    /// Handwritten digits: digits.png and labels.txt.
    #[arg(long, global = true, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/digits"))]
    digits: PathBuf,
    /// Training tasks.
    #[arg(long, global = true, default_value_t = 320)]
    tasks: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Train the frozen reader and an adapter for each training task.
    Collect,
    /// Train the weight generators: with one output layer for all blocks, and with one for each.
    Train {
        /// Optimizer steps.
        #[arg(long, default_value_t = 5000)]
        steps: u64,
    },
    /// Compare the starts on the unseen tasks.
    Evaluate,
    /// Print the table of several seeds.
    Table {
        /// Folders of the runs, evaluated.
        #[arg(required = true)]
        runs: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| any_module(&args))
}

fn any_module(args: &Args) -> Result<()> {
    if let Command::Table { runs } = &args.command {
        return table(runs);
    }
    let device = args.common.device()?;
    let sizes = Sizes {
        train_tasks: args.tasks,
        per_kind: 12,
        reader_steps: 1500,
        adapter_steps: 300,
    };
    let chain = Chain::new(&args.out, &args.digits, sizes, args.common.seed, &device)?;
    match args.command {
        Command::Collect => collect(&chain),
        Command::Train { steps } => train(&chain, steps),
        Command::Evaluate => evaluate(&chain),
        Command::Table { .. } => Ok(()),
    }
}

fn collect(chain: &Chain) -> Result<()> {
    let total = chain.tasks.train.len() as u64;
    let mut progress = Progress::new("collect", total, 0);
    let mut done = 0;
    let mut sum = 0.0;
    let zoo = chain.collect(|event| {
        if let CollectEvent::Collected { concept, metrics } = event {
            done += 1;
            let accuracy = metrics.get("accuracy").copied().unwrap_or(f64::NAN);
            sum += accuracy;
            let mean = sum / done as f64;
            progress.set(
                done,
                format!("{concept}: accuracy {accuracy:.3}, mean {mean:.3}"),
            );
        }
    })?;
    progress.finish();
    println!("{}: {} adapters", display(zoo.dir()), zoo.entries().len());
    Ok(())
}

fn train(chain: &Chain, steps: u64) -> Result<()> {
    let config = TrainConfig {
        steps,
        seed: chain.seed,
        learning_rate: 3e-3,
        batch_size: 64,
        ..TrainConfig::compact()
    };
    for (name, block_heads) in [(UNET, false), (BLOCK_HEADS, true)] {
        let mut progress = TrainingProgress::new(name);
        chain.train(name, block_heads, config.clone(), &mut |event| {
            progress.show(event)
        })?;
    }
    Ok(())
}

/// The file of a run's results.
const REPORT: &str = "report.json";

fn evaluate(chain: &Chain) -> Result<()> {
    let mut progress: Option<(String, Progress)> = None;
    let report = evaluation::evaluate(chain, |part, done, total| {
        if progress.as_ref().is_none_or(|(name, _)| name != part) {
            progress = Some((part.to_owned(), Progress::new(part, total as u64, 0)));
        }
        if let Some((_, bar)) = &mut progress {
            bar.set(done as u64, String::new());
        }
    })?;
    files::write_json(&chain.dir.join(REPORT), &report)?;
    print!("{}", table::markdown(&[report]));
    Ok(())
}

fn table(runs: &[PathBuf]) -> Result<()> {
    let mut reports = Vec::new();
    for run in runs {
        let path = run.join(REPORT);
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        reports.push(serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?);
    }
    print!("{}", table::markdown(&reports));
    Ok(())
}
