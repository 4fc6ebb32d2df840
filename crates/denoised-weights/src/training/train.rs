//! Training a weight generator on the blocks of a zoo.

use std::collections::BTreeSet;

use burn::tensor::Device;
use weight_blocks::Zoo;
use weight_diffusion::{BlockTrainer, SampleOptions, TrainConfig, UNet1dConfig, WeightGenerator};

use super::{TrainedOn, TrainingEvent, TrainingFolder, TrainingReport, open_records};
use crate::error::Result;
use crate::{Error, PromptEncoder};

/// What a weight generator learns from, and how (paper, Eq. 1).
#[derive(Debug)]
pub struct GeneratorTraining<'a> {
    /// The zoo to learn from.
    pub zoo: &'a Zoo,
    /// Concepts kept for [`TrainConfig::early_stop`], as [`hold_out`](super::hold_out) gives them; one needs the other.
    pub held_out: Option<&'a Zoo>,
    /// Reads the prompts.
    pub encoder: &'a PromptEncoder,
    /// Read blocks from the zoo's files when they are needed, for zoos larger than the memory.
    pub stream: bool,
    /// Shape of the network.
    pub unet: UNet1dConfig,
    /// How to train.
    pub config: TrainConfig,
    /// Options that the generator samples with unless told otherwise.
    pub defaults: SampleOptions,
    /// Devices that compute a part of each batch beside the main one.
    pub other_devices: &'a [Device],
}

/// Trains on `device`, or continues the interrupted training in `folder`, and writes the generator there.
///
/// # Errors
/// Returns [`Error::Busy`] if another process trains there; the errors of [`TrainingFolder::resume_or`] and
/// [`TrainingFolder::run`]; [`Error::EarlyStop`] for held-out concepts without early stopping, or the reverse;
/// [`Error::WeightGenerator`] if the configurations do not fit each other or the zoo.
pub fn train(
    training: &GeneratorTraining<'_>,
    folder: &TrainingFolder,
    device: &Device,
    observe: &mut dyn FnMut(TrainingEvent),
) -> Result<(WeightGenerator, TrainingReport)> {
    let GeneratorTraining {
        zoo,
        encoder,
        stream,
        unet,
        config,
        defaults,
        ..
    } = training;
    // Before the training and not after it.
    defaults.validate(&unet.schedule)?;
    match (training.held_out, config.early_stop) {
        (Some(_), None) => return Err(Error::EarlyStop { given: "held_out" }),
        (None, Some(_)) => {
            return Err(Error::EarlyStop {
                given: "early_stop",
            });
        }
        _ => {}
    }
    let dataset = open_records(zoo, encoder, None, *stream)?;
    let dataset = &*dataset;
    let held_out = match training.held_out {
        Some(zoo) => {
            let normalizer = Some(dataset.normalizer());
            Some(open_records(zoo, encoder, normalizer, *stream)?)
        }
        None => None,
    };
    let layout = zoo.layout();
    observe(TrainingEvent::data(dataset));
    let prompts: BTreeSet<&str> = (training.held_out.iter().flat_map(|zoo| zoo.entries()))
        .map(|entry| entry.prompt.as_str())
        .collect();
    let prompts = prompts.into_iter().map(str::to_owned).collect();
    let data = TrainedOn::new(dataset, encoder.id(), None, prompts)?;
    let _lock = folder.lock()?;
    let mut trainer = folder
        .resume_or(config, unet, dataset, &data, device, || {
            BlockTrainer::new(config.clone(), unet, dataset.spec(), config.seed, device)
        })?
        .with_devices(training.other_devices);
    let report = folder.run(
        &mut trainer,
        dataset,
        |trainer| trainer.step(dataset),
        |trainer| match &held_out {
            Some(held_out) => trainer.watch(&**held_out),
            None => Ok(None),
        },
        observe,
    )?;
    let generator = WeightGenerator::new(
        trainer.best_model(),
        layout.clone(),
        dataset.normalizer().clone(),
        encoder.id(),
        dataset.norm(),
        zoo.base_digest(),
        *defaults,
    )?;
    folder.finish(&generator)?;
    Ok((generator, report))
}
