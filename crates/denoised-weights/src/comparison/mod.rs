//! One concept, several methods, the same measuring: starts that are fine-tuned, and networks trained from scratch.

pub mod baselines;
mod method;
mod summary;

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clean_fid::FeatureNet;
use finetune::{
    ConceptTrainer, Evaluator, GanTrainer, ImageTranslator, Initializer, PairDiscriminator, Recipe,
    tensor_to_images, translate,
};
use image::RgbImage;
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;

use crate::Error;
use crate::error::Result;
use crate::pairs::ConceptPairs;
use crate::weights::norm;

pub use method::{Measurement, MethodReport};
pub use summary::{ComparisonReport, ConceptReport, Summary, median};

/// A method's figures, and its pictures before and after training.
pub struct Outcome {
    /// The figures.
    pub report: MethodReport,
    /// The shown test photos at the start.
    pub before: Vec<RgbImage>,
    /// The shown test photos after the last epoch.
    pub after: Vec<RgbImage>,
    /// The starting weights.
    pub start: NamedTensors,
    /// The weights after the last epoch.
    pub trained: NamedTensors,
}

/// What all methods of one concept share: the base, the pairs, the measuring, the recipe.
pub struct Comparison<'a> {
    base: &'a BaseGenerator,
    pairs: &'a ConceptPairs,
    shown: Tensor<4>,
    evaluator: Evaluator<'a>,
    recipe: &'a Recipe,
    device: &'a Device,
}

/// Measurements in the first epoch.
const FIRST_EPOCH: usize = 4;

impl<'a> Comparison<'a> {
    /// Trains on the training pairs and measures on the test pairs with the features of `network`. `base` is the one for the
    /// concept's prompt, if it reads prompts and is trained ([`PromptEncoder::prompted`](crate::PromptEncoder::prompted)).
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if there are too few test pairs to measure, or none to show.
    pub fn new(
        base: &'a BaseGenerator,
        pairs: &'a ConceptPairs,
        network: &'a dyn FeatureNet,
        recipe: &'a Recipe,
        device: &'a Device,
    ) -> Result<Self> {
        Ok(Self {
            evaluator: Evaluator::new(network, &pairs.test)?,
            shown: pairs.shown_photos(base.config.image_size, device)?,
            base,
            pairs,
            recipe,
            device,
        })
    }

    /// Name of the deciding metric.
    pub fn metric_name(&self) -> String {
        self.evaluator.metric_name()
    }

    /// How the methods are trained.
    pub fn recipe(&self) -> &'a Recipe {
        self.recipe
    }

    /// The shown photos as a network in training edits them.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if the network does not take the photos.
    pub fn draw<G, D>(&self, trainer: &GanTrainer<G, D>) -> Result<Vec<RgbImage>>
    where
        G: ImageTranslator + Module,
        D: PairDiscriminator + Module,
    {
        Ok(tensor_to_images(translate(
            &trainer.generator(),
            &self.shown,
        )?))
    }

    /// Fine-tunes the base from the start that `initializer` gives; measures at the start, after each quarter of the first
    /// epoch and after every other epoch, outside the clock. `observe` sees each measurement.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the base lacks its prompt, and [`Error::FineTune`] if the start cannot be made, the
    /// training fails or a measurement cannot be taken.
    pub fn fine_tune(
        &self,
        initializer: &dyn Initializer,
        mut observe: impl FnMut(&Measurement),
    ) -> Result<Outcome> {
        self.base.check_prompt()?;
        let (base, recipe) = (&self.base.generator, self.recipe);
        let started = Instant::now();
        let start = initializer.start(&self.pairs.prompt)?;
        let predict_seconds = started.elapsed().as_secs_f64();

        let mut trainer = ConceptTrainer::new(base, &start.weights, recipe.clone(), self.device)?;
        let before = self.draw(&trainer)?;
        let mut curve = Vec::with_capacity(recipe.epochs + FIRST_EPOCH);
        let mut measure = |trainer: &ConceptTrainer, epoch: f64| -> Result<()> {
            let quality = self.evaluator.measure(&trainer.generator())?;
            let seconds = predict_seconds + trainer.train_seconds();
            let point = Measurement::new(epoch, seconds, &quality);
            observe(&point);
            curve.push(point);
            Ok(())
        };
        measure(&trainer, 0.0)?;
        for epoch in 0..recipe.epochs {
            trainer.epoch_observed(&self.pairs.train, |trainer, done, total| {
                // Quarters of the first epoch, in which a good start moves most; otherwise the epoch's end.
                let quarter = (1..FIRST_EPOCH).any(|i| done == (i * total).div_ceil(FIRST_EPOCH));
                if done == total || (epoch == 0 && quarter) {
                    measure(trainer, epoch as f64 + done as f64 / total as f64)?;
                }
                Ok::<(), Error>(())
            })?;
        }
        let final_quality = curve.last().map_or(f64::NAN, |point| point.quality);
        Ok(Outcome {
            report: MethodReport {
                predict_seconds,
                start_norm: Some(norm(&start.weights)),
                origin: start.origin,
                zoo_distance: None,
                curve,
                final_quality,
                seconds_to_zero_final: None,
            },
            before,
            after: self.draw(&trainer)?,
            trained: trainer.adapter()?,
            start: start.weights,
        })
    }
}
