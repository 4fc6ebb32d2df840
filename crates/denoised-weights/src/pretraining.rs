//! Training the frozen base that all concepts share.

use std::path::PathBuf;

use burn::tensor::Device;
use finetune::{ConceptTrainer, PairSet, PretrainBatch, PretrainConfig, Pretrainer};
use image::RgbImage;
use image::imageops::crop_imm;
use lora_gan::{BaseGenerator, GeneratorConfig, HybridGenerator};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use weight_blocks::{load_named, module_to_named};
use weight_diffusion::encoded_text::{EncoderId, TextCondition};

use crate::error::Result;
use crate::pairs::TrainingConcepts;
use crate::run::{claim, discard, lock_training};
use crate::training::RunningMean;
use crate::{Error, PromptEncoder};

/// What a base is pretrained on.
#[derive(Debug)]
pub struct PretrainingData<'a> {
    /// The concepts, with photos of S×S pixels for a base of S×S, or with pairs.
    pub concepts: TrainingConcepts<'a>,
    /// Reads the prompts; the base records its identity.
    pub encoder: &'a PromptEncoder,
}

impl PretrainingData<'_> {
    /// The samples of `step`, each a photo of `size` pixels edited as a concept of its own asks, or a square out of it.
    fn batch(
        &self,
        step: usize,
        config: &PretrainConfig,
        size: usize,
        device: &Device,
    ) -> Result<PretrainBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(step as u64);
        let drawn = (0..config.batch_size as u64)
            .map(|i| self.concepts.draw((step as u64, i), 1, &mut rng))
            .collect::<Result<Vec<_>>>()?;
        let edge = config.crop.unwrap_or(size);
        let corners: Vec<(u32, u32)> = (drawn.iter())
            .map(|_| {
                let mut offset = || rng.random_range(0..=size.saturating_sub(edge)) as u32;
                (offset(), offset())
            })
            .collect();
        let pairs: Vec<Vec<(RgbImage, RgbImage)>> = (drawn.par_iter().zip(&corners))
            .map(|(drawn, &(x, y))| {
                let cut = |image: RgbImage| match edge == size {
                    true => image,
                    false => crop_imm(&image, x, y, edge as u32, edge as u32).to_image(),
                };
                let pairs = drawn.make(size)?.into_iter();
                Ok(pairs
                    .map(|(photo, target)| (cut(photo), cut(target)))
                    .collect())
            })
            .collect::<Result<_>>()?;
        let tokens = (drawn.iter())
            .map(|drawn| self.encoder.tokens(&drawn.prompt))
            .collect::<Result<Vec<_>>>()?;
        let width = self.encoder.id().width;
        Ok(PretrainBatch {
            pairs: PairSet::new(&pairs.concat(), edge, device)?,
            text: TextCondition::from_host(&tokens, width, device)
                .map_err(weight_diffusion::Error::from)?,
        })
    }
}

/// What a pretraining is of.
#[derive(Serialize)]
struct Run<'a> {
    config: &'a PretrainConfig,
    // Its fields by themselves, so that a difference is named.
    #[serde(flatten)]
    network: &'a GeneratorConfig,
    concepts: String,
    concepts_sha256: String,
    encoder: EncoderId,
}

/// Where a base is trained, and how.
#[derive(Debug, Clone)]
pub struct Pretraining {
    /// The folder that the base is written to, with a record of the training, `training.json`; its state is in `state/`.
    pub dir: PathBuf,
    /// Shape of the base.
    pub network: GeneratorConfig,
    /// The base whose weights the training starts from, of the same layers but for its image size and `balanced_up`; random
    /// ones if `None`.
    pub start: Option<BaseGenerator>,
    /// How to train; [`PretrainConfig::start`] is set from `start`.
    pub config: PretrainConfig,
    /// Steps between saved states.
    pub save_every: usize,
}

/// The progress of [`Pretraining::run`].
#[derive(Debug, Clone, Copy)]
pub struct PretrainProgress {
    /// Steps done.
    pub step: usize,
    /// Running mean of the L1 loss of this run; NaN before its first step.
    pub mean_l1: f64,
}

impl Pretraining {
    /// Trains a base on `device`, or continues an interrupted training, and writes it. Gives the digest of its weights.
    ///
    /// # Errors
    /// Returns [`Error::NoConcepts`] or [`Error::NoPhotos`] if there is nothing to draw from, [`Error::Busy`] if another
    /// process trains there, [`Error::Text`] if the encoder knows no word of a prompt, [`Error::FineTune`] if a photo has
    /// another size or the training fails, [`Error::OtherRun`] if the state or the base there was trained otherwise, or with
    /// another network, other concepts or photos, or another encoder, [`Error::NoRunRecord`] or [`Error::BadRunFile`] if
    /// nothing says with which, [`Error::OtherShape`] if the start has other layers, [`Error::Crop`] for squares that do
    /// not fit, and [`Error::Network`] or [`Error::Io`] if a file cannot be written.
    pub fn run(
        &self,
        data: &PretrainingData<'_>,
        device: &Device,
        mut observe: impl FnMut(PretrainProgress),
    ) -> Result<String> {
        data.concepts.check()?;
        let states = self.dir.join("state");
        let _lock = lock_training(&self.dir)?;
        let (network, config) = self.begin(device)?;
        let run = Run {
            config: &config,
            network: &self.network,
            concepts: data.concepts.describe(),
            concepts_sha256: data.concepts.digest(),
            encoder: data.encoder.id(),
        };
        // A pretrainer's states are found like those of adapters.
        let begun = ConceptTrainer::has_state(&states)?
            || self.dir.join(BaseGenerator::CONFIG_FILE).exists();
        claim(&self.dir.join("training.json"), begun, &run)?;
        let mut trainer = Pretrainer::resume(network, config, device, &states)?;
        let mut mean = RunningMean::new();
        observe(PretrainProgress {
            step: trainer.steps_done(),
            mean_l1: mean.get(),
        });
        while trainer.steps_done() < self.config.steps {
            let step = trainer.steps_done() + 1;
            let batch = data.batch(step, &self.config, self.network.image_size, device)?;
            let mean_l1 = mean.add(f64::from(trainer.step(&batch)?));
            observe(PretrainProgress { step, mean_l1 });
            if step.is_multiple_of(self.save_every.max(1)) || step == self.config.steps {
                trainer.save_state(&states)?;
            }
        }
        let (generator, encoder) = (trainer.generator(), data.encoder.id());
        let digest = BaseGenerator::save(&self.dir, &generator, Some(&encoder))?;
        // Only now is the last state of no use.
        discard(&states)?;
        Ok(digest)
    }

    /// The network before the first step, and how it is trained.
    fn begin(&self, device: &Device) -> Result<(HybridGenerator, PretrainConfig)> {
        let (size, mut config) = (self.network.image_size, self.config.clone());
        if let Some(crop) = config.crop
            && (crop < 16 || crop > size || !crop.is_multiple_of(8))
        {
            return Err(Error::Crop { crop, size });
        }
        let mut network = HybridGenerator::new(&self.network, config.seed, device)?;
        if let Some(start) = &self.start {
            let resized = GeneratorConfig {
                image_size: size,
                balanced_up: self.network.balanced_up,
                ..start.config.clone()
            };
            if resized != self.network {
                return Err(Error::OtherShape {
                    digest: start.digest.clone(),
                });
            }
            // Merging replaces kernels by what is computed with, so that a balanced base starts an unbalanced one, too.
            let start_weights = module_to_named(&start.generator.clone().merge_adapter())?;
            network = load_named(network, &start_weights)?;
            config.start = Some(start.digest.clone());
        }
        Ok((network, config))
    }
}
