//! A training's folder: what an error leaves there, and what a continued training makes of it.

use std::path::Path;

use burn::tensor::Device;
use denoised_weights::training::{TrainedOn, TrainingFolder, TrainingReport, ZooRecords};
use denoised_weights::{Error, PromptEncoder};
use weight_diffusion::train::{EarlyStop, Validation};
use weight_diffusion::{BlockSource, BlockTrainer, TrainConfig};

use crate::common::tiny_prompted_base;
use crate::training::{config, folder, unet, zoo};

type Watched = Result<Option<Validation>, weight_diffusion::Error>;

#[test]
fn an_evaluation_that_fails_costs_no_step_and_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let zoo = zoo(&at("zoo"), &at("pairs"), &tiny_prompted_base());
    let (encoder, device) = (PromptEncoder::embedded().unwrap(), Device::flex());
    let dataset = ZooRecords::read(&zoo, &encoder, None).unwrap().dataset;
    let on = TrainedOn::new(&dataset, encoder.id(), None, Vec::new()).unwrap();
    let (unet, config) = (
        unet(&zoo, &encoder),
        TrainConfig {
            early_stop: Some(EarlyStop {
                every: 1,
                rows: 8,
                ..EarlyStop::default()
            }),
            ..config(3)
        },
    );
    let run = |dir: &Path, watch: &dyn Fn(&mut BlockTrainer) -> Watched| {
        let folder = TrainingFolder {
            save_every: 10,
            ..folder(dir)
        };
        let fresh = || BlockTrainer::new(config.clone(), &unet, dataset.spec(), 0, &device);
        let mut trainer = folder.resume_or(&config, &unet, &dataset, &on, &device, fresh)?;
        let step = |trainer: &mut BlockTrainer| trainer.step(&dataset);
        folder.run(&mut trainer, &dataset, step, watch, &mut |_| ())
    };
    let watch = |trainer: &mut BlockTrainer| trainer.watch(&dataset);
    let broken = |trainer: &mut BlockTrainer| match trainer.steps_done() {
        step @ 2 => Err(weight_diffusion::Error::NetworkLoss {
            step,
            source: "no file".into(),
        }),
        _ => trainer.watch(&dataset),
    };
    let whole: TrainingReport = run(&at("whole"), &watch).unwrap();
    assert!(whole.last_loss.unwrap().is_finite());
    let error = run(&at("parts"), &broken).unwrap_err();
    assert!(matches!(error, Error::WeightGenerator(_)), "{error}");
    let curves = || folder(&at("parts")).loss_curves().unwrap();
    assert_eq!((curves().training.len(), curves().held_out.len()), (2, 1));
    let resumed = run(&at("parts"), &watch).unwrap();
    let figures = |report: &TrainingReport| (report.steps, report.last_loss, report.held_out);
    assert_eq!(figures(&resumed), figures(&whole));
    let log = |run: &str| std::fs::read(at(run).join("metrics.jsonl")).unwrap();
    assert_eq!(log("parts"), log("whole"));

    // Killed before the generator was written: no step is left.
    let finished = run(&at("parts"), &watch).unwrap();
    assert_eq!(figures(&finished), figures(&whole));
    assert_eq!(log("parts"), log("whole"));

    // Another process is in the middle of a line.
    let written = [&log("parts"), &b"{\"step\":{\"st"[..]].concat();
    std::fs::write(at("parts/metrics.jsonl"), &written).unwrap();
    assert_eq!(curves().training.len(), 3);
    assert_eq!(log("parts"), written, "reading changes nothing");
}
