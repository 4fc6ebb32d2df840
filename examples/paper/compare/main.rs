//! The paper's Table 1, Figure 3 and Figure 4 on held-out concepts, or on pairs of your own.
//!
//! ```sh
//! cargo run --release --example compare -- --limit 2 --seeds 1
//! ```

mod args;
mod cells;
mod charts;
mod gallery;
mod improvement;
mod measure;
mod pages;
mod protocol;
mod queue;
mod results;
mod stats;
mod store;
mod subjects;
mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clean_fid::FeatureNet;
use denoised_weights_examples::cli::{display, parse, run};
use denoised_weights_examples::{Result, files};

use args::Args;
use measure::Method;
use results::Results;

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| compare(&args))
}

fn compare(args: &Args) -> Result<()> {
    args.check_places()?;
    let mut subjects = args.subjects()?;
    // The prompts of all concepts, so that --limit does not change any run.
    let prompts: BTreeSet<String> = subjects.iter().map(|s| s.prompt().to_owned()).collect();
    subjects.truncate(args.limit.unwrap_or(usize::MAX).max(1));
    let (methods, seeds) = (args.methods(), args.seeds());
    let device = args.common.device()?;
    let bench = protocol::open(args, prompts, device)?;
    if methods
        .iter()
        .any(|method| !matches!(method, Method::Scratch(_)))
    {
        // A prompt without a word that the encoder knows is refused before anything is trained.
        for subject in &subjects {
            bench.predictor.encoder().tokens(subject.prompt())?;
        }
    }
    files::check_writable(&args.out)?;
    protocol::claim_folder(args, &bench)?;
    if !args.report_only {
        queue::measure_all(args, &bench, &subjects, &methods, &seeds)?;
    }
    let names: Vec<String> = methods.iter().map(Method::name).collect();
    let quality = bench.network.metric_name("frechet");
    let device = &args.common.device;
    let results = Results::read(&args.out, &subjects, &seeds, &names, &quality, device)?;
    pages::write(&args.out, &results)?;
    print!("{}", cells::text_table(&results));
    println!("wrote {}", display(&args.out.join("report.html")));
    args.common.write_json(&results.json)
}
