//! The pictures, and what is printed.

use denoised_weights::comparison::{MethodReport, Outcome};
use denoised_weights::pairs::ConceptPairs;
use denoised_weights::starts::StartKind;
use denoised_weights_examples::Result;
use result_figures::{Column, write_grid};

use super::args::Args;

/// Test pictures, as many as `quickstart` takes at 256×256, below which a Fréchet distance says little.
const ENOUGH: usize = 24;

/// Writes grid.png; gives the figures.
pub(crate) fn write_pictures(
    args: &Args,
    pairs: &ConceptPairs,
    outcome: Outcome,
) -> Result<MethodReport> {
    let mut columns = Vec::from(Column::of_pairs(&pairs.shown));
    columns.push(Column::new("before\ntraining", outcome.before));
    let after = format!("fine-tuned\n{} epochs", args.epochs);
    columns.push(Column::new(after, outcome.after));
    write_grid(&args.out.join("grid.png"), &columns)?;
    Ok(outcome.report)
}

/// What to print about the training.
pub(crate) fn summary(args: &Args, pairs: &ConceptPairs, report: &MethodReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(origin) = &report.origin {
        let why = match args.start {
            StartKind::Auto | StartKind::BestByPairs => {
                ", the one of all starts tried whose edits are closest to the training targets"
            }
            _ => "",
        };
        lines.push(format!("started from {origin}{why}"));
    }
    if let (Some(first), Some(last)) = (report.curve.first(), report.curve.last()) {
        for (when, point) in [("before training", first), ("fine-tuned", last)] {
            lines.push(format!(
                "{when}, after {:.2} s: quality {:.2}, L1 {:.4} (lower is better)",
                point.seconds, point.quality, point.l1
            ));
        }
    }
    let measured = pairs.test.len();
    if measured < ENOUGH {
        lines.push(format!(
            "with {measured} test pictures the quality, a Fréchet distance, is only a rough guide; trust L1 and grid.png"
        ));
    }
    lines
}
