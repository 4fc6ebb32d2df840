//! What the trainings of the weight generator share on the command line: their folder, their progress, the chart of their
//! losses.

use std::path::PathBuf;

use clap::Args;
use denoised_weights::training::{TrainingEvent, TrainingFolder, TrainingReport};
use weight_diffusion::{Precision, WeightGenerator};

use crate::Result;
use crate::cli::display;
use crate::options::at_least;
use crate::progress::Progress;
use result_figures::{Chart, Line, write_chart};

/// `--out`, `--save-every`, `--full-precision`.
#[derive(Debug, Clone, Args)]
pub struct TrainingArgs {
    /// Folder to write the weight generator to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Steps between saved states.
    #[arg(
        long,
        default_value_t = 100,
        value_parser = at_least::<u64>(1),
        allow_negative_numbers = true
    )]
    pub save_every: u64,
    /// Write weights as 32-bit floats; 16-bit halves the file.
    #[arg(long)]
    pub full_precision: bool,
}

impl TrainingArgs {
    /// The folder that the options describe.
    pub fn folder(&self) -> TrainingFolder {
        TrainingFolder {
            dir: self.out.clone(),
            save_every: self.save_every,
            precision: if self.full_precision {
                Precision::Full
            } else {
                Precision::Half
            },
        }
    }

    /// What the training writes.
    pub fn outputs(&self) -> Vec<PathBuf> {
        let names = [
            WeightGenerator::CONFIG_FILE,
            WeightGenerator::WEIGHTS_FILE,
            "training.json",
            "metrics.jsonl",
            "loss.svg",
            "state",
        ];
        names.iter().map(|name| self.out.join(name)).collect()
    }

    /// Draws the losses, and says where the generator is.
    ///
    /// # Errors
    /// If the losses cannot be read or the chart cannot be written.
    pub fn report(&self, report: &TrainingReport) -> Result<()> {
        write_loss_chart(&self.folder())?;
        println!(
            "wrote {} ({:.0} s)",
            display(&self.out),
            report.seconds_this_run
        );
        Ok(())
    }
}

/// Shows the progress of a training as a bar named `label`.
#[derive(Debug)]
pub struct TrainingProgress {
    label: String,
    bar: Option<Progress>,
}

impl TrainingProgress {
    /// The bar appears when the training begins.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            bar: None,
        }
    }

    /// Shows an event.
    pub fn show(&mut self, event: TrainingEvent) {
        match event {
            TrainingEvent::Data {
                networks,
                prompts,
                blocks,
                block_size,
            } => println!(
                "{networks} networks of {prompts} prompts, {blocks} blocks of {block_size} each"
            ),
            TrainingEvent::Begin { steps, done } => {
                self.bar = Some(Progress::new(&self.label, steps, done));
            }
            TrainingEvent::Step { stats, mean_loss } => {
                let note = format!("loss {mean_loss:.4}, gradient {:.3}", stats.grad_norm);
                if let Some(bar) = &mut self.bar {
                    bar.set(stats.step, note);
                }
            }
            TrainingEvent::HeldOut(found) => {
                if let Some(bar) = &self.bar {
                    bar.line(&format!(
                        "step {}: loss {:.4} on held-out concepts, lowest {:.4} at step {}{}",
                        found.step,
                        found.loss,
                        found.best_loss,
                        found.best_step,
                        if found.stop { "; stopping" } else { "" }
                    ));
                }
            }
            TrainingEvent::End => {
                if let Some(bar) = self.bar.take() {
                    bar.finish();
                }
            }
        }
    }
}

/// Draws `loss.svg` into the folder: the mean loss of each hundredth of the run, and the held-out loss if there is one.
///
/// # Errors
/// If the losses cannot be read or the chart cannot be written.
pub fn write_loss_chart(folder: &TrainingFolder) -> Result<()> {
    let curves = folder.loss_curves()?;
    let mut lines = vec![Line {
        name: "training".into(),
        points: curves.training,
        bold: false,
    }];
    if !curves.held_out.is_empty() {
        lines.push(Line {
            name: "held-out concepts".into(),
            points: curves.held_out,
            bold: true,
        });
    }
    let chart = Chart {
        title: "Loss",
        x: "optimizer steps",
        y: "mean squared error",
        lines,
        ..Chart::default()
    };
    Ok(write_chart(&folder.dir.join("loss.svg"), &chart)?)
}
