//! The Rust side of `tools/pytorch_reference/compare.py`, which starts it.
//!
//! ```sh
//! cargo build --release --workspace --bins
//! target/release/side_by_side prepare --task predict-compact --dir out/side-by-side/predict-compact
//! echo "run 1" | target/release/side_by_side work --dir out/side-by-side/predict-compact
//! ```
//!
//! `TEST_DEVICE` names the device, as in the tests.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use denoised_weights_benches::Result;
use denoised_weights_benches::side_by_side::{Sizes, memory_mib, open, prepare, serve};

/// Repeats one task of this workspace beside PyTorch.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write weights, inputs and task.json into a folder.
    Prepare(Prepare),
    /// Repeat the task of a folder, as told on standard input.
    Work {
        /// What `prepare` wrote.
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Args)]
struct Prepare {
    /// Name of the task.
    #[arg(long)]
    task: String,
    /// Where to write.
    #[arg(long)]
    dir: PathBuf,
    /// N of predictions and of the data set [default: the preset's layout].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    blocks: Option<u32>,
    /// Rows of a batch [default: the task's own].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Folder of a text model for `encode` [default: the encoder that is compiled in].
    #[arg(long)]
    text_model: Option<PathBuf>,
}

fn main() -> Result<()> {
    let device = test_device::device();
    match Cli::parse().command {
        Command::Prepare(args) => {
            let sizes = Sizes {
                blocks: args.blocks.map(|n| n as usize),
                batch: args.batch.map(|n| n as usize),
                text_model: args.text_model,
            };
            prepare(&args.task, &sizes, &args.dir, &device)
        }
        Command::Work { dir } => {
            let before = memory_mib("VmRSS:")?;
            let mut task = open(&dir, &device)?;
            serve(
                task.as_mut(),
                &device,
                before,
                &dir.join("output-rust.safetensors"),
            )
        }
    }
}
