//! Training the frozen base that all concepts share.

use std::path::PathBuf;

use burn::tensor::Device;
use finetune::{PairSet, PretrainBatch, PretrainConfig, Pretrainer};
use image::RgbImage;
use lora_gan::{BaseGenerator, GeneratorConfig, HybridGenerator};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use weight_diffusion::encoded_text::TextCondition;

use crate::PromptEncoder;
use crate::error::Result;
use crate::pairs::ConceptDraws;
use crate::run::{discard, lock_training};
use crate::training::RunningMean;

/// What a base is pretrained on.
pub struct PretrainingData<'a> {
    /// The concepts.
    pub concepts: ConceptDraws,
    /// The photos that are edited, S×S pixels for a base of S×S.
    pub photos: &'a [RgbImage],
    /// Reads the prompts; the base records its identity.
    pub encoder: &'a PromptEncoder,
}

impl PretrainingData<'_> {
    /// `count` samples of `step`, each a photo edited as a concept of its own asks.
    fn batch(
        &self,
        step: usize,
        (count, seed): (usize, u64),
        size: usize,
        device: &Device,
    ) -> Result<PretrainBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(step as u64);
        let drawn: Vec<_> = (0..count as u64)
            .filter_map(|i| self.concepts.draw(step as u64, i))
            .zip(std::iter::from_fn(|| self.photos.choose(&mut rng)))
            .collect();
        let pairs: Vec<(RgbImage, RgbImage)> = (drawn.par_iter())
            .map(|(drawn, photo)| ((*photo).clone(), drawn.concept.apply(photo)))
            .collect();
        let tokens = (drawn.iter())
            .map(|(drawn, _)| self.encoder.tokens(&drawn.prompt))
            .collect::<Result<Vec<_>>>()?;
        let width = self.encoder.id().width;
        Ok(PretrainBatch {
            pairs: PairSet::new(&pairs, size, device)?,
            text: TextCondition::from_host(&tokens, width, device)
                .map_err(weight_diffusion::Error::from)?,
        })
    }
}

/// Where a base is trained, and how.
#[derive(Debug, Clone)]
pub struct Pretraining {
    /// The folder that the base is written to; its state is in `state/`.
    pub dir: PathBuf,
    /// Shape of the base.
    pub network: GeneratorConfig,
    /// How to train.
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
    /// Returns [`Error::Busy`](crate::Error::Busy) if another process trains there, [`Error::Text`](crate::Error::Text) if
    /// the encoder knows no word of a prompt,
    /// [`Error::FineTune`](crate::Error::FineTune) if there are no photos or concepts, a photo has another size, the training
    /// fails or its state belongs to another configuration, and
    /// [`Error::Network`](crate::Error::Network) or [`Error::Io`](crate::Error::Io) if a file cannot be written.
    pub fn run(
        &self,
        data: &PretrainingData<'_>,
        device: &Device,
        mut observe: impl FnMut(PretrainProgress),
    ) -> Result<String> {
        let states = self.dir.join("state");
        let _lock = lock_training(&self.dir)?;
        let network = HybridGenerator::new(&self.network, self.config.seed, device)?;
        let mut trainer = Pretrainer::resume(network, self.config.clone(), device, &states)?;
        let mut mean = RunningMean::new();
        observe(PretrainProgress {
            step: trainer.steps_done(),
            mean_l1: mean.get(),
        });
        while trainer.steps_done() < self.config.steps {
            let step = trainer.steps_done() + 1;
            let draw = (self.config.batch_size, self.config.seed);
            let batch = data.batch(step, draw, self.network.image_size, device)?;
            let mean_l1 = mean.add(f64::from(trainer.step(&batch)?));
            observe(PretrainProgress { step, mean_l1 });
            if step.is_multiple_of(self.save_every.max(1)) || step == self.config.steps {
                trainer.save_state(&states)?;
            }
        }
        let (generator, encoder) = (trainer.generator(), data.encoder.id());
        let digest = BaseGenerator::save(&self.dir, &generator, &self.network, Some(&encoder))?;
        // Only now is the last state of no use.
        discard(&states)?;
        Ok(digest)
    }
}
