//! Many of the example programs in one, chosen by the name under which it is called, for machines to which a binary is
//! carried: CUDA's runtime compiler makes each program 200 MB, and all of them together hardly more.
//!
//! ```sh
//! tools/cuda-build.sh out/cuda
//! out/cuda/paper_step --device cuda --batch 16
//! ```

use std::path::Path;
use std::process::ExitCode;

#[path = "../paper/collect.rs"]
mod collect;
#[path = "../paper/encoders.rs"]
mod encoders;
#[path = "../data/fid/main.rs"]
mod fid;
#[path = "../start/generate/main.rs"]
mod generate;
#[path = "../start/lora_files/main.rs"]
mod lora_files;
#[path = "../paper/merge_zoos.rs"]
mod merge_zoos;
#[path = "../paper/paper_step.rs"]
mod paper_step;
#[path = "../paper/pretrain_base.rs"]
mod pretrain_base;
#[path = "../start/quickstart/main.rs"]
mod quickstart;
#[path = "../paper/refine_generator.rs"]
mod refine_generator;
#[path = "../paper/train_baseline.rs"]
mod train_baseline;
#[path = "../paper/train_generator.rs"]
mod train_generator;
#[path = "../start/your_style/main.rs"]
mod your_style;

/// A program's entry point.
type Main = fn() -> ExitCode;

const PROGRAMS: [(&str, Main); 13] = [
    ("collect", collect::main),
    ("encoders", encoders::main),
    ("fid", fid::main),
    ("generate", generate::main),
    ("lora_files", lora_files::main),
    ("merge_zoos", merge_zoos::main),
    ("paper_step", paper_step::main),
    ("pretrain_base", pretrain_base::main),
    ("quickstart", quickstart::main),
    ("refine_generator", refine_generator::main),
    ("train_baseline", train_baseline::main),
    ("train_generator", train_generator::main),
    ("your_style", your_style::main),
];

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    match PROGRAMS.iter().find(|(known, _)| name == *known) {
        Some((_, main)) => main(),
        None => {
            let names: Vec<&str> = PROGRAMS.iter().map(|(name, _)| *name).collect();
            eprintln!(
                "error: {} is none of the programs in this binary; call it by a link that is named like one: {}",
                name.display(),
                names.join(", ")
            );
            ExitCode::from(2)
        }
    }
}
