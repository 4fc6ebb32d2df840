//! Builds a data set of prompts like the paper's: three categories, held-out concepts, combinations, paraphrases.
//!
//! ```sh
//! cargo run --release --example build_prompts -- \
//!     --address http://127.0.0.1:11434/v1 --model llama3.2 --out out/prompts --dry-run
//! ```

mod args;
mod stages;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use denoised_weights_examples::cli::{display, run};
use denoised_weights_examples::files::read_lines;
use denoised_weights_examples::{Result, files};
use prompt_sets::generate::{Generator, Journal, Shortfall, Spent, Stop};
use prompt_sets::screen::{Dropped, Screening};
use prompt_sets::{Category, PromptSet, Statistics};
use serde::Serialize;

pub(crate) use args::Args;
use args::by_category;
use stages::Stages;

#[derive(Serialize)]
struct Report {
    statistics: Statistics,
    stop: Vec<Stop>,
    /// Categories with fewer concepts than wanted.
    missing: Vec<Shortfall>,
    /// Rounds in which replacements of removed concepts were asked for.
    rounds: usize,
    dropped: Vec<Dropped>,
    leaks_removed: Vec<String>,
    /// Combinations left out because they give away a held-out concept.
    combinations_left_out: usize,
    spent: Spent,
    cost: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| build(&args))
}

pub(crate) fn build(args: &Args) -> Result<()> {
    args.check_places()?;
    let mut stages = Stages::new(args)?;
    let mut set = PromptSet::default();
    stages.dropped.extend(add_lists(args, &mut set)?);
    // A dry run leaves nothing behind.
    let scratch = tempfile::tempdir()?;
    let answers = args.out.join("answers.jsonl");
    let journal = if args.confirm.dry_run && !answers.exists() {
        Journal::open(&scratch.path().join("answers.jsonl"))?
    } else {
        Journal::open(&answers)?
    };
    let chat = args.chat()?;
    let templates = args.templates()?;
    let generator = match &chat {
        Some(chat) => {
            let settings = args.generator_settings()?;
            let generator = Generator::new(chat, &templates, &journal, args.budget(), settings);
            Some(generator)
        }
        None => None,
    };
    if !confirm(args, generator.as_ref(), &set, &journal)? {
        return Ok(());
    }
    let filled = stages.fill(&mut set, generator.as_ref());
    let leaks_removed = filled.map_err(with_options)?;
    let missing = match generator {
        Some(_) => stages.shortfalls(&set),
        None => Vec::new(),
    };
    missing.iter().for_each(|short| println!("{short}"));
    let (statistics, combinations_left_out) = stages.combine(&set)?;
    println!("{statistics}");
    println!("{combinations_left_out} combinations left out: they give away a held-out concept");
    let spent = journal.spent();
    let report = Report {
        statistics,
        missing,
        rounds: stages.rounds(),
        stop: stages.stops,
        dropped: stages.dropped,
        leaks_removed,
        combinations_left_out,
        spent,
        cost: args
            .price()
            .of(spent.prompt_tokens, spent.completion_tokens),
    };
    files::write_json(&args.out.join("report.json"), &report)?;
    println!("done: {}", display(&args.out));
    Ok(())
}

/// `error` with the options that mend it.
fn with_options(error: Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
    if let Some(prompt_sets::Error::InReasoning { .. }) = error.downcast_ref() {
        return format!("{error} (--answer-tokens and --request-field)").into();
    }
    error
}

/// Adds the lists of the command line; returns the lines that the screening refused.
fn add_lists(args: &Args, set: &mut PromptSet) -> Result<Vec<Dropped>> {
    let lists = [&args.art_list, &args.character_list, &args.facial_list];
    let mut dropped = Vec::new();
    for (category, list) in Category::ALL.into_iter().zip(lists) {
        if let Some(path) = list {
            dropped.extend(set.add(category, &read_lines(path)?, &Screening::default()));
        }
    }
    Ok(dropped)
}

/// Prints what the run would ask for; whether to go on.
fn confirm(
    args: &Args,
    generator: Option<&Generator<'_>>,
    set: &PromptSet,
    journal: &Journal,
) -> Result<bool> {
    let Some(generator) = generator else {
        if args.confirm.dry_run {
            println!(
                "{} concepts from the lists; without a server nothing is generated",
                set.concepts.len()
            );
        }
        return Ok(!args.confirm.dry_run);
    };
    let estimate = generator.estimate(
        set,
        &by_category(args.concepts),
        &by_category(args.paraphrases),
    );
    println!(
        "about {} requests, {} prompt and {} completion tokens; cost about {:.2}, at most {:.2}; {} requests are answered \
         already",
        estimate.requests,
        estimate.prompt_tokens,
        estimate.completion_tokens,
        estimate.cost,
        estimate.cost_at_most,
        journal.len()
    );
    args.confirm.go_on()
}
