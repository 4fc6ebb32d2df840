//! What a training of the weight generator keeps on disk: its state, its losses, the result.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;
use weight_diffusion::train::{Objective, StepStats, Trainer, Validation};
use weight_diffusion::{BlockSource, Precision, TrainConfig, UNet1dConfig, WeightGenerator};

use super::metrics_log::{LossCurves, Metric, MetricsLog};
use super::progress::RunningMean;
use super::{TrainedOn, TrainingEvent, TrainingReport};
use crate::Error;
use crate::error::Result;
use crate::run::{Lock, claim, discard, lock_training};

/// The name, beside the generator, of the file that says what it was trained on, and how.
const RECORD: &str = "training.json";

#[derive(Serialize)]
struct Record<'a> {
    config: &'a TrainConfig,
    unet: &'a UNet1dConfig,
    #[serde(flatten)]
    data: &'a TrainedOn,
}

/// Where a training writes the weight generator, and meanwhile its state.
#[derive(Debug, Clone)]
pub struct TrainingFolder {
    /// The weight generator's folder; `training.json`, `metrics.jsonl` and `state/` are in it.
    pub dir: PathBuf,
    /// Steps between saved states.
    pub save_every: u64,
    /// Precision of the written weights.
    pub precision: Precision,
}

impl TrainingFolder {
    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Locks the folder; hold the lock from before [`TrainingFolder::resume_or`] to the end.
    ///
    /// # Errors
    /// As [`lock_training`].
    pub fn lock(&self) -> Result<Lock> {
        lock_training(&self.dir)
    }

    /// The losses that the training has logged so far; it may still be running.
    ///
    /// # Errors
    /// As [`MetricsLog::open`].
    pub fn loss_curves(&self) -> Result<LossCurves> {
        LossCurves::read(&self.dir)
    }

    /// The trainer that an earlier run left, or `fresh`. `training.json` records the options and the data before there is a
    /// state, so that neither an interrupted training nor a finished generator is replaced by one of something else.
    ///
    /// # Errors
    /// Returns [`Error::OtherRun`] if what is in the folder was trained with other options or on something else than `data`;
    /// [`Error::NoRunRecord`] or [`Error::BadRunFile`] if its record is missing or damaged, and [`Error::WeightGenerator`]
    /// if its state is.
    pub fn resume_or<O: Objective>(
        &self,
        config: &TrainConfig,
        unet: &UNet1dConfig,
        dataset: &dyn BlockSource,
        data: &TrainedOn,
        device: &Device,
        fresh: impl FnOnce() -> Result<Trainer<O>, weight_diffusion::Error>,
    ) -> Result<Trainer<O>> {
        let state = self.state();
        let begun = Trainer::<O>::has_state(&state);
        let finished = self.dir.join(WeightGenerator::CONFIG_FILE).exists();
        let record = Record { config, unet, data };
        claim(&self.dir.join(RECORD), begun || finished, &record)?;
        Ok(match begun {
            true => Trainer::resume(&state, &dataset.spec(), device)?,
            false => fresh()?,
        })
    }

    /// Takes all steps, saving the state now and then; `metrics.jsonl` keeps the losses. After each step `watch` may
    /// evaluate held-out concepts, and so end the training ([`TrainConfig::early_stop`]). A continued training asks it again
    /// after the last saved step, since its error may have ended the run before.
    ///
    /// # Errors
    /// Returns the error of `step` or `watch`, after saving the steps taken, or [`Error::Io`] if a file cannot be
    /// written.
    pub fn run<O: Objective>(
        &self,
        trainer: &mut Trainer<O>,
        dataset: &dyn BlockSource,
        mut step: impl FnMut(&mut Trainer<O>) -> Result<StepStats, weight_diffusion::Error>,
        mut watch: impl FnMut(&mut Trainer<O>) -> Result<Option<Validation>, weight_diffusion::Error>,
        observe: &mut dyn FnMut(TrainingEvent),
    ) -> Result<TrainingReport> {
        let started = Instant::now();
        let mut mean = RunningMean::new();
        let mut log = MetricsLog::open(&self.dir, trainer.steps_done())?;
        let mut held_out = None;
        // The figures at the end are those of an uninterrupted run.
        for line in log.lines() {
            match line {
                Metric::Step(stats) => drop(mean.add(stats.loss)),
                Metric::HeldOut(found) => held_out = Some(*found),
            }
        }
        let mut saved = trainer.steps_done();
        observe(TrainingEvent::Begin {
            steps: trainer.config().steps,
            done: saved,
        });
        loop {
            if trainer.steps_done() > 0 {
                let found = match watch(trainer) {
                    Ok(found) => found,
                    Err(error) => return Err(self.save_after(error, saved, trainer, &mut log)),
                };
                if let Some(found) = found {
                    log.add(Metric::HeldOut(found));
                    observe(TrainingEvent::HeldOut(found));
                    held_out = Some(found);
                }
            }
            let (done, finished) = (trainer.steps_done(), trainer.is_finished());
            if finished || (done > saved && done.is_multiple_of(self.save_every.max(1))) {
                self.save(trainer, &mut log)?;
                saved = done;
            }
            if finished {
                break;
            }
            let stats = match step(trainer) {
                Ok(stats) => stats,
                Err(error) => return Err(self.save_after(error, saved, trainer, &mut log)),
            };
            let mean_loss = mean.add(stats.loss);
            log.add(Metric::Step(stats));
            observe(TrainingEvent::Step { stats, mean_loss });
        }
        observe(TrainingEvent::End);
        Ok(TrainingReport {
            networks: dataset.networks(),
            prompts: dataset.text_count(),
            blocks: dataset.layout().blocks(),
            steps: trainer.steps_done(),
            seconds_this_run: started.elapsed().as_secs_f64(),
            last_loss: Some(mean.get()).filter(|mean| !mean.is_nan()),
            zoo_norm_mean: dataset.norm().mean,
            zoo_norm_std: dataset.norm().std,
            held_out,
        })
    }

    /// Saves the steps taken before an error; gives the error to return.
    fn save_after<O: Objective>(
        &self,
        error: weight_diffusion::Error,
        saved: u64,
        trainer: &Trainer<O>,
        log: &mut MetricsLog,
    ) -> Error {
        if trainer.steps_done() == saved {
            return error.into();
        }
        match self.save(trainer, log) {
            Ok(()) => error.into(),
            Err(unsaved) => Error::StepsLost {
                saved,
                unsaved: Box::new(unsaved),
                source: Box::new(error),
            },
        }
    }

    fn save<O: Objective>(&self, trainer: &Trainer<O>, log: &mut MetricsLog) -> Result<()> {
        log.flush()?;
        Ok(trainer.save_state(&self.state())?)
    }

    /// Writes the trained generator, and then removes the state.
    ///
    /// # Errors
    /// Returns [`Error::WeightGenerator`] or [`Error::Io`], which name the file, if one cannot be written or removed.
    pub fn finish(&self, generator: &WeightGenerator) -> Result<()> {
        generator.save(&self.dir, self.precision)?;
        discard(&self.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weight_blocks::{
        GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole,
        TensorSpec,
    };
    use weight_diffusion::encoded_text::EncodedPrompt;
    use weight_diffusion::encoded_text::EncoderId;
    use weight_diffusion::{BlockDataset, BlockTrainer};

    fn dataset(scale: f32, networks: usize) -> BlockDataset {
        dataset_of(EncodedPrompt::new(vec![0.5; 8], 1), scale, networks)
    }

    fn dataset_of(text: EncodedPrompt, scale: f32, networks: usize) -> BlockDataset {
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
        let entries = flats.into_iter().map(|flat| (0, flat)).collect();
        BlockDataset::new(layout, normalizer, vec![text], 8, entries).unwrap()
    }

    #[test]
    fn a_state_of_other_data_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = TrainingFolder {
            dir: dir.path().to_owned(),
            save_every: 1,
            precision: Precision::Half,
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
        let encoder = |digest: &str| EncoderId {
            name: "test".into(),
            digest: digest.into(),
            width: 8,
        };
        let resume = |data: &BlockDataset, on: &TrainedOn| {
            folder.resume_or(&config, &unet, data, on, &device, || {
                BlockTrainer::new(config.clone(), &unet, data.spec(), 0, &device)
            })
        };
        let held_out = || vec!["fog".to_owned()];
        let data = dataset(1.0, 2);
        let on = TrainedOn::new(&data, encoder("a"), None, held_out()).unwrap();
        let mut trainer = resume(&data, &on).unwrap();
        // Killed before the first state: nothing to refuse.
        resume(&data, &on).unwrap();
        trainer.step(&data).unwrap();
        trainer.save_state(&folder.state()).unwrap();
        assert_eq!(resume(&data, &on).unwrap().steps_done(), 1);

        let refused = |data: &BlockDataset, on: &TrainedOn| match resume(data, on) {
            Ok(_) => panic!("continued with {on:?}"),
            Err(error) => error.to_string(),
        };
        for (other, field) in [
            (dataset(2.0, 2), "statistics_sha256"),
            (dataset(1.0, 3), "networks"),
            (
                dataset_of(EncodedPrompt::new(vec![0.25; 8], 1), 1.0, 2),
                "texts_sha256",
            ),
        ] {
            let on = TrainedOn::new(&other, encoder("a"), None, held_out()).unwrap();
            let message = refused(&other, &on);
            assert!(message.contains(&format!("{field}: was")), "{message}");
        }
        for (on, field) in [
            (
                TrainedOn::new(&data, encoder("b"), None, held_out()),
                "encoder.digest",
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
            assert!(message.contains(&format!("{field}: was")), "{message}");
        }
        // A state of a build that did not write the file.
        std::fs::remove_file(dir.path().join(RECORD)).unwrap();
        let message = refused(&data, &on);
        assert!(message.contains(RECORD), "{message}");
    }
}
