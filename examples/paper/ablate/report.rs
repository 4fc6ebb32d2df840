//! The results, and their table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use denoised_weights_examples::Result;
use finetune::Quality;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Report {
    pub seed: u64,
    pub device: String,
    pub quality: String,
    pub steps: u64,
    pub channels: usize,
    pub block_heads: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combined: Option<f64>,
    pub concepts: Vec<ConceptReport>,
    pub cells: Vec<CellReport>,
}

#[derive(Serialize)]
pub(crate) struct ConceptReport {
    pub concept: String,
    /// The base without an adapter.
    pub base: Quality,
    /// The adapter that is learned.
    pub ground_truth: Quality,
}

#[derive(Serialize)]
pub(crate) struct CellReport {
    pub concept: String,
    pub block_size: usize,
    pub rule: u8,
    pub blocks: usize,
    /// Seconds in this run; absent if an earlier one had finished the training.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    pub predict_seconds: f64,
    /// ‖ŵ − w‖ / ‖w − w_base‖, where w_base is the adapter that changes nothing.
    pub weight_error: f64,
    pub quality: Quality,
    /// The deciding quality divided by that of the ground truth.
    pub ratio: f64,
}

impl CellReport {
    /// Prints a line about it; `quality` names the deciding metric.
    pub(crate) fn print(&self, quality: &str) {
        println!(
            "rule {}, b = {}: N = {}, {:.3} s, weight error {:.3}, {quality} {:.2} ({:.2}x the adapter's)",
            self.rule,
            self.block_size,
            self.blocks,
            self.predict_seconds,
            self.weight_error,
            self.quality.frechet,
            self.ratio
        );
    }
}

/// A Markdown table with a row per block size and rule, and a column of quality per concept.
pub(crate) fn tables(report: &Report) -> Result<String> {
    let mut cuts: BTreeMap<(u8, usize), Vec<&CellReport>> = BTreeMap::new();
    for cell in &report.cells {
        cuts.entry((cell.rule, cell.block_size))
            .or_default()
            .push(cell);
    }
    let mut text = String::new();
    write!(text, "| rule | b | N | s per prediction | weight error |")?;
    for concept in &report.concepts {
        write!(text, " {} |", concept.concept)?;
    }
    writeln!(text)?;
    writeln!(
        text,
        "| ---: | ---: | ---: | ---: | ---: |{}",
        " ---: |".repeat(report.concepts.len())
    )?;
    write!(text, "| base | | | | |")?;
    for concept in &report.concepts {
        write!(text, " {:.2} |", concept.base.frechet)?;
    }
    write!(text, "\n| ground truth | | | | |")?;
    for concept in &report.concepts {
        write!(text, " {:.2} |", concept.ground_truth.frechet)?;
    }
    writeln!(text)?;
    for ((rule, block_size), cells) in &cuts {
        let mean = |pick: fn(&CellReport) -> f64| {
            cells.iter().map(|c| pick(c)).sum::<f64>() / cells.len() as f64
        };
        write!(
            text,
            "| {rule} | {block_size} | {} | {:.3} | {:.3} |",
            cells[0].blocks,
            mean(|c| c.predict_seconds),
            mean(|c| c.weight_error)
        )?;
        for cell in cells {
            write!(text, " {:.2} |", cell.quality.frechet)?;
        }
        writeln!(text)?;
    }
    Ok(text)
}
