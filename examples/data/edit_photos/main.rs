//! Edits photos with diffusion models behind servers and keeps the best edit of each photo.
//!
//! ```sh
//! cargo run --release --example edit_photos -- \
//!     --photos out/photos --prompts prompts.txt --editors editors.json --out out/pairs --dry-run
//! ```

mod args;
mod best;
mod inputs;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser;
use concepts::ImageEditor;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{display, run};
use denoised_weights_examples::progress::Progress;
use image_editors::run::{EditPlan, EditRun};
use indicatif::HumanDuration;

use args::Args;
use best::{Judge, write_best};
use inputs::{check_places, print_names, read_concepts, read_split_photos};

fn main() -> ExitCode {
    let args = Args::parse();
    run(|| edit(&args))
}

fn edit(args: &Args) -> Result<()> {
    let concepts = read_concepts(&args.prompts)?;
    check_places(args, &concepts)?;
    print_names(&concepts);
    let (photos, splits) = read_split_photos(&args.photos, args.size)?;
    let editors = args.editors()?;
    let editors: Vec<&(dyn ImageEditor + Sync)> = editors.iter().map(AsRef::as_ref).collect();
    let settings = args.settings()?;
    // Loaded before any edit is paid for.
    let judge = Judge::new(args)?;
    let run = EditRun::new(&args.out, &concepts, &photos, &editors, settings)?;

    let plan = run.plan();
    println!(
        "{} prompts x {} photos x {} editors: {} edits are done, {} to make ({} of them replace others)",
        concepts.len(),
        photos.len(),
        editors.len(),
        plan.done,
        plan.todo,
        plan.stale
    );
    if !confirm(args, &plan)? {
        return Ok(());
    }
    // Edits that were made are used even if others failed: an editor may refuse one photo every time.
    let failed = if plan.todo > 0 {
        make(&run, plan.done, plan.todo)?
    } else {
        None
    };
    for concept in &concepts {
        match run.choose(concept, judge.score.as_ref(), args.best.into()) {
            Ok(best) => write_best(args, concept, &best, &judge, &splits)?,
            Err(image_editors::Error::NoEdits { .. }) => {
                println!("{}: no edit, so no pairs", concept.name);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match failed {
        Some(failed) => Err(failed.into()),
        None => {
            println!("done: {}", display(&args.out));
            Ok(())
        }
    }
}

/// Prints what the edits would take; whether to go on.
fn confirm(args: &Args, plan: &EditPlan) -> Result<bool> {
    if plan.todo == 0 {
        return Ok(!args.confirm.dry_run);
    }
    match plan.seconds(args.seconds) {
        Some(seconds) => println!(
            "about {}",
            HumanDuration(Duration::try_from_secs_f64(seconds)?)
        ),
        None => println!("duration unknown, since no edit was made yet; pass --seconds"),
    }
    if args.price > 0.0 {
        println!(
            "cost {:.2}, or more if attempts fail after they were charged",
            plan.cost(args.price)
        );
    }
    args.confirm.go_on()
}

/// Makes the edits; returns a message if some failed.
fn make(run: &EditRun<'_>, done: usize, todo: usize) -> Result<Option<String>> {
    let progress = Progress::new("edits", (done + todo) as u64, done as u64);
    let progress = Mutex::new(progress);
    let summary = run.run(&|event| {
        let Ok(mut progress) = progress.lock() else {
            return;
        };
        if let Some(error) = event.error {
            progress.line(&format!("{} {}: {error}", event.concept, event.photo));
        }
        progress.set(
            event.done as u64,
            format!("{} {}", event.concept, event.editor),
        );
    })?;
    if let Ok(progress) = progress.into_inner() {
        progress.finish();
    }
    Ok(summary.failures.first().map(|first| {
        format!(
            "{} edits made, {} failed, {} not begun; the first failure: {}. The pairs of the edits that succeeded are \
             written; run the command again for the rest",
            summary.made,
            summary.failures.len(),
            summary.skipped,
            first.error
        )
    }))
}
