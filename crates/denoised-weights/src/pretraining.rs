//! Training the frozen base that all concepts share.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use concepts::Concept;
use finetune::{PairSet, PretrainConcept, PretrainConfig, Pretrainer, images_to_tensor};
use image::RgbImage;
use lora_gan::{BaseGenerator, GeneratorConfig, HybridGenerator};
use weight_diffusion::encoded_text::{EncodedPrompt, TextCondition};

use crate::PromptEncoder;
use crate::error::Result;
use crate::pairs::edit_photos;
use crate::run::{discard, lock_training};
use crate::training::RunningMean;

/// The concepts with their texts, each with all `photos` (`size`×`size` pixels) and their edits.
///
/// # Errors
/// Returns [`Error::Text`](crate::Error::Text) if the encoder knows no word of a prompt, and
/// [`Error::FineTune`](crate::Error::FineTune) if there are no photos or one has another size.
pub fn pretraining_concepts(
    concepts: &[Concept],
    photos: &[RgbImage],
    encoder: &PromptEncoder,
    size: usize,
    device: &Device,
) -> Result<Vec<PretrainConcept>> {
    let refs: Vec<&RgbImage> = photos.iter().collect();
    let inputs: Tensor<4> = images_to_tensor(&refs, size, device)?;
    let tokens = concepts
        .iter()
        .map(|concept| encoder.tokens(&concept.prompt))
        .collect::<Result<Vec<_>>>()?;
    let tokens: Vec<&EncodedPrompt> = tokens.iter().collect();
    let texts = TextCondition::from_host(&tokens, encoder.id().width, device)
        .map_err(weight_diffusion::Error::from)?;
    (concepts.iter().enumerate())
        .map(|(i, concept)| {
            let edited = edit_photos(photos, concept);
            let targets: Vec<&RgbImage> = edited.iter().map(|pair| &pair.1).collect();
            Ok(PretrainConcept {
                context: encoded_text::TextCondition {
                    tokens: texts.tokens.clone().narrow(0, i, 1),
                    mask: texts.mask.clone().narrow(0, i, 1),
                },
                pairs: PairSet {
                    photos: inputs.clone(),
                    targets: images_to_tensor(&targets, size, device)?,
                },
            })
        })
        .collect()
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
    /// Returns [`Error::Busy`](crate::Error::Busy) if another process trains there,
    /// [`Error::FineTune`](crate::Error::FineTune) if the training fails or its state belongs to another configuration, and
    /// [`Error::Network`](crate::Error::Network) or [`Error::Io`](crate::Error::Io) if a file cannot be written.
    pub fn run(
        &self,
        concepts: &[PretrainConcept],
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
            let mean_l1 = mean.add(f64::from(trainer.step(concepts)?));
            let step = trainer.steps_done();
            observe(PretrainProgress { step, mean_l1 });
            if step.is_multiple_of(self.save_every.max(1)) || step == self.config.steps {
                trainer.save_state(&states)?;
            }
        }
        let digest = BaseGenerator::save(&self.dir, &trainer.generator(), &self.network)?;
        // Only now is the last state of no use.
        discard(&states)?;
        Ok(digest)
    }
}
