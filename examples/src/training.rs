//! What the trainings of the weight generator share: state, progress, writing the result.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use clap::Args;
use serde::Serialize;
use weight_diffusion::{
    BlockSource, Precision, StepStats, TrainConfig, Trainer, UNet1dConfig, Validation,
    WeightGenerator,
};

use crate::Result;
use crate::assets::display;
use crate::metrics::{Metric, MetricsLog};
use crate::progress::{Progress, RunningMean};

/// `--out`, `--save-every`, `--full-precision`.
#[derive(Debug, Clone, Args)]
pub struct TrainingArgs {
    /// Folder to write the weight generator to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Steps between saved states.
    #[arg(long, default_value_t = 100)]
    pub save_every: u64,
    /// Write weights as 32-bit floats; 16-bit halves the file.
    #[arg(long)]
    pub full_precision: bool,
}

/// What a training leaves for `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct TrainingReport {
    /// Networks of the zoo.
    pub networks: usize,
    /// Concepts of the zoo.
    pub concepts: usize,
    /// Blocks of a network.
    pub blocks: usize,
    /// Optimizer steps taken in all.
    pub steps: u64,
    /// Seconds of this run, earlier interrupted ones not counted.
    pub seconds_this_run: f64,
    /// Running mean of the loss at the end.
    pub last_loss: f64,
    /// Mean norm of the zoo's networks.
    pub zoo_norm_mean: f64,
    /// Deviation of the zoo's norms.
    pub zoo_norm_std: f64,
    /// The last evaluation on held-out concepts, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<Validation>,
}

impl TrainingArgs {
    fn state(&self) -> PathBuf {
        self.out.join("state")
    }

    /// The trainer that an earlier run left, or `fresh`.
    ///
    /// # Errors
    /// A state that is damaged or was trained with other options.
    pub fn resume_or(
        &self,
        config: &TrainConfig,
        unet: &UNet1dConfig,
        dataset: &dyn BlockSource,
        device: &Device,
        fresh: impl FnOnce() -> Result<Trainer>,
    ) -> Result<Trainer> {
        let state = self.state();
        if !Trainer::has_state(&state) {
            return fresh();
        }
        let trainer = Trainer::resume(&state, &dataset.spec(), device)?;
        if trainer.config() != config || trainer.unet_config() != unet {
            return Err(format!(
                "{}: the state there was trained with other options; give the same ones, or remove the folder",
                state.display()
            )
            .into());
        }
        Ok(trainer)
    }

    /// Takes all steps, saving the state now and then; `OUT/metrics.jsonl` and `OUT/loss.svg` keep the
    /// losses.
    ///
    /// # Errors
    /// Whatever `step` gives, or a file that cannot be written.
    pub fn run(
        &self,
        label: &str,
        trainer: &mut Trainer,
        dataset: &dyn BlockSource,
        step: impl FnMut(&mut Trainer) -> Result<StepStats>,
    ) -> Result<TrainingReport> {
        self.run_watched(label, trainer, dataset, None, step)
    }

    /// [`TrainingArgs::run`] that looks at the loss on `held_out` concepts, and ends where
    /// [`TrainConfig::early_stop`] says.
    ///
    /// # Errors
    /// As [`TrainingArgs::run`].
    pub fn run_watched(
        &self,
        label: &str,
        trainer: &mut Trainer,
        dataset: &dyn BlockSource,
        held_out: Option<&dyn BlockSource>,
        mut step: impl FnMut(&mut Trainer) -> Result<StepStats>,
    ) -> Result<TrainingReport> {
        let started = Instant::now();
        let steps = trainer.config().steps;
        let mut progress = Progress::new(label, steps, trainer.steps_done());
        let mut loss = RunningMean::default();
        let mut log = MetricsLog::open(&self.out, trainer.steps_done())?;
        let mut last = None;
        while !trainer.is_finished() {
            let stats = step(trainer)?;
            loss.add(stats.loss);
            log.add(Metric::Step(stats));
            let note = format!("loss {:.4}, gradient {:.3}", loss.get(), stats.grad_norm);
            progress.set(stats.step, note);
            let found = match held_out {
                Some(held_out) => trainer.watch(held_out)?,
                None => None,
            };
            if let Some(found) = found {
                log.add(Metric::HeldOut(found));
                progress.line(&format!(
                    "step {}: loss {:.4} on held-out concepts, lowest {:.4} at step {}{}",
                    found.step,
                    found.loss,
                    found.best_loss,
                    found.best_step,
                    if found.stop { "; stopping" } else { "" }
                ));
                last = Some(found);
            }
            if stats.step % self.save_every.max(1) == 0 || trainer.is_finished() {
                log.flush()?;
                trainer.save_state(&self.state())?;
            }
        }
        progress.finish();
        log.draw()?;
        Ok(TrainingReport {
            networks: dataset.networks(),
            concepts: dataset.text_count(),
            blocks: dataset.layout().blocks(),
            steps: trainer.steps_done(),
            seconds_this_run: started.elapsed().as_secs_f64(),
            last_loss: loss.get(),
            zoo_norm_mean: dataset.norm().mean,
            zoo_norm_std: dataset.norm().std,
            held_out: last,
        })
    }

    /// Writes the trained generator; only then is the last state of no use.
    ///
    /// # Errors
    /// Where a file cannot be written or removed.
    pub fn finish(&self, generator: &WeightGenerator, report: &TrainingReport) -> Result<()> {
        let precision = if self.full_precision {
            Precision::Full
        } else {
            Precision::Half
        };
        generator.save(&self.out, precision)?;
        let state = self.state();
        std::fs::remove_dir_all(&state)
            .map_err(|e| format!("{}: cannot be removed: {e}", state.display()))?;
        println!(
            "wrote {} ({:.0} s)",
            display(&self.out),
            report.seconds_this_run
        );
        Ok(())
    }
}
