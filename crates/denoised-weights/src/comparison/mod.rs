//! One concept, several methods, the same measuring: starts that are fine-tuned, and networks trained from scratch.

pub mod baselines;
mod begun;
mod method;
mod summary;

use std::fmt;
use std::path::Path;
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
use crate::fine_tune::digest_of;
use crate::pairs::ConceptPairs;
use crate::weights::norm;

use begun::Begun;

pub use method::{Measurement, MethodReport};
pub use summary::{ComparisonReport, ConceptReport, Count, Summary, median};

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

/// Without the pictures and the weights.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
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

/// Without the networks and the images.
impl fmt::Debug for Comparison<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparison")
            .field("base", &self.base.digest)
            .field("pairs", &self.pairs)
            .field("recipe", &self.recipe)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
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
        observe: impl FnMut(&Measurement),
    ) -> Result<Outcome> {
        self.tune(initializer, None, observe)
    }

    /// [`Comparison::fine_tune`] that saves its state into the folder `state` after each epoch, and continues from the one
    /// that is there with the start that it had: it ends with the same weights. Of a continued training, `observe` first
    /// sees the last measurement before. The state stays, for the caller to [discard](crate::run::discard) once the result
    /// is kept; the caller also [locks](crate::run::lock_training) the folder, and [claims](crate::run::claim) it for
    /// [`Comparison::identity`].
    ///
    /// # Errors
    /// As [`Comparison::fine_tune`]; [`Error::FineTune`] if the state belongs to another recipe, is damaged or cannot be
    /// saved; and [`Error::NoRunRecord`], [`Error::BadRunFile`] or [`Error::File`] if its measurements or its start are
    /// missing or damaged.
    pub fn fine_tune_saved(
        &self,
        initializer: &dyn Initializer,
        state: &Path,
        observe: impl FnMut(&Measurement),
    ) -> Result<Outcome> {
        self.tune(initializer, Some(state), observe)
    }

    /// Whether [`Comparison::fine_tune_saved`] would continue from what is in the folder `state`.
    pub fn has_begun(state: &Path) -> bool {
        Begun::is_in(state)
    }

    /// What a fine-tuning from `initializer` is of: the prompt, the pairs, the base, the start and the recipe.
    ///
    /// # Errors
    /// Returns [`Error::FineTune`] if the start has no digest.
    pub fn identity(&self, initializer: &dyn Initializer) -> Result<serde_json::Value> {
        let json = |source| Error::Json {
            path: "recipe".into(),
            source,
        };
        // The recipe's fields by themselves, so that a difference is named.
        let mut identity = serde_json::to_value(self.recipe).map_err(json)?;
        identity["prompt"] = self.pairs.prompt.clone().into();
        identity["pairs"] = self.pairs.name.clone().into();
        identity["train_pairs_sha256"] = digest_of(&self.pairs.train).into();
        identity["test_pairs_sha256"] = digest_of(&self.pairs.test).into();
        identity["base"] = self.base.digest.clone().into();
        identity["start"] = initializer.identity()?.into();
        Ok(identity)
    }

    fn tune(
        &self,
        initializer: &dyn Initializer,
        state: Option<&Path>,
        mut observe: impl FnMut(&Measurement),
    ) -> Result<Outcome> {
        self.base.check_prompt()?;
        let (base, recipe) = (&self.base.generator, self.recipe);
        let mut begun = self.begin(initializer, state)?;
        let start = &begun.start.weights;
        let fresh = ConceptTrainer::new(base, start, recipe.clone(), self.device)?;
        let before = self.draw(&fresh)?;
        let mut trainer = match state {
            Some(state) => fresh.resumed(state)?,
            None => fresh,
        };
        // A run that ended between saving the curve and the state trains that epoch again.
        let done = trainer.epochs_done() as f64;
        begun.curve.retain(|point| point.epoch <= done);
        let predict_seconds = begun.predict_seconds;
        let measure = |trainer: &ConceptTrainer, epoch: f64| -> Result<Measurement> {
            let quality = self.evaluator.measure(&trainer.generator())?;
            let seconds = predict_seconds + trainer.train_seconds();
            Ok(Measurement::new(epoch, seconds, &quality))
        };
        if begun.curve.is_empty() {
            begun.curve.push(measure(&trainer, 0.0)?);
        }
        if let Some(point) = begun.curve.last() {
            observe(point);
        }
        for epoch in trainer.epochs_done()..recipe.epochs {
            trainer.epoch_observed(&self.pairs.train, |trainer, done, total| {
                // Quarters of the first epoch, in which a good start moves most; otherwise the epoch's end.
                let quarter = (1..FIRST_EPOCH).any(|i| done == (i * total).div_ceil(FIRST_EPOCH));
                if done == total || (epoch == 0 && quarter) {
                    let point = measure(trainer, epoch as f64 + done as f64 / total as f64)?;
                    observe(&point);
                    begun.curve.push(point);
                }
                Ok::<(), Error>(())
            })?;
            if let Some(state) = state {
                begun.write_curve(state)?;
                trainer.save_state(state)?;
            }
        }
        let Begun { start, curve, .. } = begun;
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

    /// The start in the folder `state`, or a new one, which is kept there.
    fn begin(&self, initializer: &dyn Initializer, state: Option<&Path>) -> Result<Begun> {
        if let Some(begun) = state.map(Begun::read).transpose()?.flatten() {
            return Ok(begun);
        }
        let started = Instant::now();
        let begun = Begun {
            start: initializer.start(&self.pairs.prompt)?,
            predict_seconds: started.elapsed().as_secs_f64(),
            curve: Vec::new(),
        };
        if let Some(state) = state {
            begun.write_start(state)?;
        }
        Ok(begun)
    }
}
