//! Merges zoos that were collected separately, each on its own disk, into one.
//!
//! ```sh
//! cargo run --release --example merge_zoos -- --into out/zoo out/part-0 out/part-1
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use denoised_weights::run::{Lock, Places};
use denoised_weights_examples::cli::{display, run};
use denoised_weights_examples::options::zoo_files;
use denoised_weights_examples::progress::Progress;
use denoised_weights_examples::{Result, files};
use serde::Serialize;
use weight_blocks::Zoo;

/// Copy the concepts of several zoos of one base into one zoo, which is created if necessary. A concept that
/// is already there must be the same. After an interruption (kill -9 included), the same command copies the
/// rest.
#[derive(Parser)]
struct Args {
    /// The zoo to copy to.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The zoos to copy from; they are not changed.
    #[arg(value_name = "ZOO", required = true)]
    zoos: Vec<PathBuf>,
    /// Also write the result as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    zoo: PathBuf,
    parts: Vec<PartReport>,
    added: usize,
    concepts: usize,
    entries: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct PartReport {
    zoo: PathBuf,
    added: usize,
    present: usize,
}

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    run(|| merge(&args))
}

fn merge(args: &Args) -> Result<()> {
    Places::new()
        .reads_all(args.zoos.iter().flat_map(|dir| zoo_files(dir)))
        .writes_all(zoo_files(&args.into))
        .writes_all(&args.json)
        .check()?;
    let started = Instant::now();
    let parts = (args.zoos.iter())
        .map(Zoo::open)
        .collect::<Result<Vec<_>, _>>()?;
    let Some(first) = parts.first() else {
        return Err("there is no zoo to copy from".into());
    };
    for part in &parts {
        part.check(first.layout(), first.base_digest())?;
        // `collect` removes this folder when it has finished.
        if part.dir().join("work").exists() {
            eprintln!(
                "note: {}: concepts are still being trained there; merge again when `collect` has finished",
                display(part.dir())
            );
        }
    }
    let mut zoo = Zoo::create(&args.into, first.layout(), first.base_digest())?;
    let work = args.into.join("work");
    let lock = Lock::try_take(work.join("merge.lock"))?.ok_or_else(|| {
        format!(
            "{}: another process merges into this zoo; wait for it",
            display(&args.into)
        )
    })?;
    let merged = merge_all(&mut zoo, &parts);
    lock.remove()?;
    // States of a `collect` may be here too, and then the folder stays.
    let _ = std::fs::remove_dir(&work);
    let parts = merged?;
    zoo.refresh()?;
    let report = Report {
        zoo: args.into.clone(),
        added: parts.iter().map(|part| part.added).sum(),
        parts,
        concepts: zoo.last_entries().len(),
        entries: zoo.entries().len(),
        seconds: started.elapsed().as_secs_f64(),
    };
    println!(
        "zoo {}: {} concepts, {} of them new, {} entries ({:.1} s)",
        display(&args.into),
        report.concepts,
        report.added,
        report.entries,
        report.seconds
    );
    if let Some(path) = &args.json {
        files::write_json(path, &report)?;
    }
    Ok(())
}

fn merge_all(zoo: &mut Zoo, parts: &[Zoo]) -> Result<Vec<PartReport>> {
    let concepts: usize = parts.iter().map(|part| part.last_entries().len()).sum();
    println!(
        "{} zoos with {concepts} concepts, into {}",
        parts.len(),
        display(zoo.dir())
    );
    let mut progress = Progress::new("merge", concepts as u64, 0);
    let mut done = 0;
    let mut reports = Vec::new();
    for part in parts {
        let merged = zoo.merge_from(part, |name| {
            done += 1;
            progress.set(done, name.to_owned());
        })?;
        reports.push(PartReport {
            zoo: part.dir().to_owned(),
            added: merged.added.len(),
            present: merged.present.len(),
        });
    }
    progress.finish();
    Ok(reports)
}
