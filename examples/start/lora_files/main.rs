//! LoRA files of PEFT, diffusers or kohya's sd-scripts: from a folder of them, each with a prompt, to one for a new prompt.
//!
//! ```sh
//! cargo run --release --example lora_files -- collect my-adapters --out out/lora-zoo
//! cargo run --release --example train_generator -- --zoo out/lora-zoo --out out/lora-generator
//! cargo run --release --example lora_files -- predict --zoo out/lora-zoo --generator out/lora-generator \
//!     --prompt "a fresco in blue" --out out/generated
//! ```

mod collect;
mod predict;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use denoised_weights_examples::cli::{parse, run};

use collect::Collect;
use predict::Predict;

/// Turn LoRA files that other tools wrote into a zoo to train a weight generator on, and write its predictions as files of
/// the same format.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Collect(Collect),
    Predict(Predict),
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| match &args.command {
        Command::Collect(collect) => collect.run(),
        Command::Predict(predict) => predict.run(),
    })
}
