//! What the trainings of the weight generator share: state, progress, writing the result.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use clap::Args;
use serde::Serialize;
use sha2::{Digest, Sha256};
use weight_diffusion::train::{Objective, StepStats, Trainer, Validation};
use weight_diffusion::{
    BlockSource, Precision, TextSpec, TrainConfig, UNet1dConfig, WeightGenerator,
};

use crate::assets::display;
use crate::files::Lock;
use crate::identity::claim;
use crate::metrics::{Metric, MetricsLog};
use crate::progress::{Progress, RunningMean};
use crate::{Result, files};

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

/// Beside the trainer's state: what it was trained on.
const DATA_FILE: &str = "data.json";

/// What a training learns from, so that one of something else does not go on from its state.
#[derive(Debug, Clone, Serialize)]
pub struct TrainedOn {
    networks: usize,
    texts: usize,
    encoder: TextSpec,
    /// The loss beside the one on blocks, or in its place.
    loss: Option<String>,
    held_out: Vec<String>,
    /// Over the normaliser's statistics and the networks' norms.
    weights_sha256: String,
}

impl TrainedOn {
    /// The networks and prompts of `dataset`, encoded by `encoder`; `loss` names another loss than the
    /// paper's, with all that it depends on, and `held_out` the prompts kept for validation.
    ///
    /// # Errors
    /// Where the statistics cannot be written as JSON.
    pub fn new(
        dataset: &dyn BlockSource,
        encoder: TextSpec,
        loss: Option<String>,
        held_out: Vec<String>,
    ) -> Result<Self> {
        let weights = serde_json::to_vec(&(dataset.normalizer(), dataset.norm()))?;
        Ok(Self {
            networks: dataset.networks(),
            texts: dataset.text_count(),
            encoder,
            loss,
            held_out,
            weights_sha256: (Sha256::digest(&weights).iter())
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }
}

impl TrainingArgs {
    fn state(&self) -> PathBuf {
        self.out.join("state")
    }

    /// To be held from before [`TrainingArgs::resume_or`] to the end.
    ///
    /// # Errors
    /// As [`Lock::of_run`].
    pub fn lock(&self) -> Result<Lock> {
        Lock::of_run(&self.out)
    }

    /// The trainer that an earlier run left, or `fresh`. What it is trained on is written before its
    /// first state is.
    ///
    /// # Errors
    /// A state that is damaged, was trained with other options or on something else than `data`, or by
    /// a build that left no word of that.
    pub fn resume_or<O: Objective>(
        &self,
        config: &TrainConfig,
        unet: &UNet1dConfig,
        dataset: &dyn BlockSource,
        data: &TrainedOn,
        device: &Device,
        fresh: impl FnOnce() -> Result<Trainer<O>>,
    ) -> Result<Trainer<O>> {
        let state = self.state();
        let begun = Trainer::<O>::has_state(&state);
        claim(&state.join(DATA_FILE), begun, data)?;
        if !begun {
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
    /// Whatever `step` gives, once the steps before it are saved, or a file that cannot be written.
    pub fn run<O: Objective>(
        &self,
        label: &str,
        trainer: &mut Trainer<O>,
        dataset: &dyn BlockSource,
        step: impl FnMut(&mut Trainer<O>) -> Result<StepStats>,
    ) -> Result<TrainingReport> {
        self.run_watched(label, trainer, dataset, step, |_| Ok(None))
    }

    /// [`TrainingArgs::run`] that calls `watch` after each step, to stop early by the loss on held-out concepts.
    ///
    /// # Errors
    /// As [`TrainingArgs::run`].
    pub fn run_watched<O: Objective>(
        &self,
        label: &str,
        trainer: &mut Trainer<O>,
        dataset: &dyn BlockSource,
        mut step: impl FnMut(&mut Trainer<O>) -> Result<StepStats>,
        mut watch: impl FnMut(&mut Trainer<O>) -> Result<Option<Validation>>,
    ) -> Result<TrainingReport> {
        let started = Instant::now();
        let steps = trainer.config().steps;
        let mut progress = Progress::new(label, steps, trainer.steps_done());
        let mut loss = RunningMean::default();
        let mut log = MetricsLog::open(&self.out, trainer.steps_done())?;
        let mut last = None;
        let mut saved = trainer.steps_done();
        while !trainer.is_finished() {
            let stats = match step(trainer) {
                Ok(stats) => stats,
                Err(error) if trainer.steps_done() == saved => return Err(error),
                Err(error) => {
                    return Err(match self.save(trainer, &mut log) {
                        Ok(()) => error,
                        Err(unsaved) => format!(
                            "{error}; the steps since step {saved} could not be saved: {unsaved}"
                        )
                        .into(),
                    });
                }
            };
            loss.add(stats.loss);
            log.add(Metric::Step(stats));
            let note = format!("loss {:.4}, gradient {:.3}", loss.get(), stats.grad_norm);
            progress.set(stats.step, note);
            if let Some(found) = watch(trainer)? {
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
                self.save(trainer, &mut log)?;
                saved = trainer.steps_done();
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

    fn save<O: Objective>(&self, trainer: &Trainer<O>, log: &mut MetricsLog) -> Result<()> {
        log.flush()?;
        Ok(trainer.save_state(&self.state())?)
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
        files::discard(&self.state())?;
        println!(
            "wrote {} ({:.0} s)",
            display(&self.out),
            report.seconds_this_run
        );
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use weight_blocks::{
        GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole,
        TensorSpec,
    };
    use weight_diffusion::{BlockDataset, BlockTrainer, HostText};

    fn dataset(scale: f32, networks: usize) -> BlockDataset {
        let spec = TensorSpec {
            name: "a".into(),
            shape: vec![16],
            role: TensorRole::NormBias,
        };
        let group = LayerGroup {
            name: "l".into(),
            kind: LayerKind::Linear,
            tensors: vec![spec],
        };
        let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 16).unwrap();
        let flats: Vec<Vec<f32>> = (0..networks)
            .map(|i| (0..16).map(|v| scale * (v * (i + 1)) as f32).collect())
            .collect();
        let all = flats.iter().map(Vec::as_slice);
        let normalizer = Normalizer::fit(&layout, Normalization::Elementwise, all).unwrap();
        let texts = vec![HostText {
            tokens: vec![0.5; 8],
            len: 1,
        }];
        let entries = flats.into_iter().map(|flat| (0, flat)).collect();
        BlockDataset::new(layout, normalizer, texts, 8, entries).unwrap()
    }

    #[test]
    fn a_state_of_other_data_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let args = TrainingArgs {
            out: dir.path().to_owned(),
            save_every: 1,
            full_precision: false,
        };
        let unet = UNet1dConfig {
            block_size: 16,
            patch_size: 4,
            base_channels: 16,
            context_width: 8,
            ..UNet1dConfig::compact()
        };
        let config = TrainConfig {
            steps: 2,
            batch_size: 4,
            ..TrainConfig::compact()
        };
        let device = Device::default();
        let encoder = |digest: &str| TextSpec {
            encoder: "test".into(),
            digest: digest.into(),
            width: 8,
        };
        let resume = |data: &BlockDataset, on: &TrainedOn| {
            args.resume_or(&config, &unet, data, on, &device, || {
                Ok(BlockTrainer::new(
                    config.clone(),
                    &unet,
                    data.spec(),
                    0,
                    &device,
                )?)
            })
        };
        let held_out = || vec!["fog".to_owned()];
        let data = dataset(1.0, 2);
        let on = TrainedOn::new(&data, encoder("a"), None, held_out()).unwrap();
        let mut trainer = resume(&data, &on).unwrap();
        // Killed before the first state: nothing to refuse.
        resume(&data, &on).unwrap();
        trainer.step(&data).unwrap();
        trainer.save_state(&args.state()).unwrap();
        assert_eq!(resume(&data, &on).unwrap().steps_done(), 1);

        let refused = |data: &BlockDataset, on: &TrainedOn| match resume(data, on) {
            Ok(_) => panic!("went on with {on:?}"),
            Err(error) => error.to_string(),
        };
        for (other, field) in [
            (dataset(2.0, 2), "weights_sha256"),
            (dataset(1.0, 3), "networks"),
        ] {
            let on = TrainedOn::new(&other, encoder("a"), None, held_out()).unwrap();
            let message = refused(&other, &on);
            assert!(message.contains(&format!("{field}: there")), "{message}");
        }
        for (on, field) in [
            (
                TrainedOn::new(&data, encoder("b"), None, held_out()),
                "encoder",
            ),
            (
                TrainedOn::new(&data, encoder("a"), Some("edits".into()), held_out()),
                "loss",
            ),
            (
                TrainedOn::new(&data, encoder("a"), None, Vec::new()),
                "held_out",
            ),
        ] {
            let message = refused(&data, &on.unwrap());
            assert!(message.contains(&format!("{field}: there")), "{message}");
        }
        // A state of a build that did not write it.
        std::fs::remove_file(args.state().join(DATA_FILE)).unwrap();
        let message = refused(&data, &on);
        assert!(message.contains(DATA_FILE), "{message}");
    }
}
