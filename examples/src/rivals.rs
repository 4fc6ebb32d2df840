//! One concept, several starts, the same training.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use finetune::{
    ConceptTrainer, GanTrainer, HeldOut, ImageTranslator, Initializer, PairDiscriminator, Recipe,
    tensor_to_images, translate,
};
use image::RgbImage;
use lora_gan::HybridGenerator;
use weight_blocks::{NamedTensors, WeightSpace, Zoo};

use crate::Result;
use crate::data::ConceptPairs;
use crate::report::{MethodReport, Point};

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

/// What all methods of one concept share.
pub struct Setup<'a> {
    /// The frozen base.
    pub base: &'a HybridGenerator,
    /// The concept's pairs.
    pub pairs: &'a ConceptPairs,
    /// Test photos to draw, `[N, 3, S, S]` in −1..1.
    pub shown: &'a Tensor<4>,
    /// What measures.
    pub held_out: &'a HeldOut<'a>,
    /// How to train.
    pub recipe: &'a Recipe,
    /// Where.
    pub device: &'a Device,
}

impl Setup<'_> {
    /// The shown photos as a network in training edits them.
    ///
    /// # Errors
    /// Where the network fails.
    pub fn draw<G, D>(&self, trainer: &GanTrainer<G, D>) -> Result<Vec<RgbImage>>
    where
        G: ImageTranslator + Module,
        D: PairDiscriminator + Module,
    {
        Ok(tensor_to_images(translate(
            &trainer.generator(),
            self.shown,
        )?))
    }
}

/// Measurements in the first epoch.
const FIRST_EPOCH: usize = 4;

/// Fine-tunes the base from the start that `initializer` gives; measures at the start, after each
/// quarter of the first epoch and after every other epoch, outside the clock.
///
/// # Errors
/// Where the initialiser, the training or a measurement fails.
pub fn fine_tune(
    initializer: &dyn Initializer,
    setup: &Setup<'_>,
    mut progress: impl FnMut(f64, &Point),
) -> Result<Outcome> {
    let Setup {
        base,
        pairs,
        held_out,
        recipe,
        device,
        ..
    } = *setup;
    let started = Instant::now();
    let start = initializer.start(&pairs.prompt)?;
    let predict_seconds = started.elapsed().as_secs_f64();

    let mut trainer = ConceptTrainer::new(base, &start.weights, recipe.clone(), device)?;
    let before = setup.draw(&trainer)?;
    let mut curve = Vec::with_capacity(recipe.epochs + FIRST_EPOCH);
    let mut measure = |trainer: &ConceptTrainer, epoch: f64| -> Result<()> {
        let quality = held_out.measure(&trainer.generator())?;
        let seconds = predict_seconds + trainer.train_seconds();
        let point = Point::new(epoch, seconds, &quality);
        progress(epoch, &point);
        curve.push(point);
        Ok(())
    };
    measure(&trainer, 0.0)?;
    for epoch in 0..recipe.epochs {
        trainer.epoch_observed(&pairs.train, |trainer, done, total| -> Result<()> {
            // Quarters of the first epoch, where a good start moves most; else the epoch's end.
            let quarter = (1..FIRST_EPOCH).any(|i| done == (i * total).div_ceil(FIRST_EPOCH));
            if done == total || (epoch == 0 && quarter) {
                measure(trainer, epoch as f64 + done as f64 / total as f64)?;
            }
            Ok(())
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
        after: setup.draw(&trainer)?,
        trained: trainer.adapter()?,
        start: start.weights,
    })
}

/// `base` with an adapter.
///
/// # Errors
/// Weights that do not fit the base.
pub fn adapted(base: &HybridGenerator, weights: &NamedTensors) -> Result<HybridGenerator> {
    let mut generator = base.clone();
    generator.load_weights(weights)?;
    Ok(generator)
}

/// L2 norm of all weights.
pub fn norm(weights: &NamedTensors) -> f64 {
    let squares = weights
        .values()
        .flat_map(|t| &t.data)
        .map(|v| f64::from(*v).powi(2));
    squares.sum::<f64>().sqrt()
}

/// ‖a − b‖ / ‖b − origin‖ over the weights that they share.
pub fn relative_distance(a: &NamedTensors, b: &NamedTensors, origin: &NamedTensors) -> f64 {
    let (apart, size) = (distance(a, b), distance(origin, b));
    apart / size.max(f64::MIN_POSITIVE)
}

/// Cosine of the angle at `origin` between `a` and `b`, over the weights that all have; 0 where one of
/// them is the origin.
pub fn cosine(a: &NamedTensors, b: &NamedTensors, origin: &NamedTensors) -> f64 {
    let [mut product, mut size_a, mut size_b] = [0.0; 3];
    for (name, o) in origin {
        let (Some(a), Some(b)) = (a.get(name), b.get(name)) else {
            continue;
        };
        for ((a, b), o) in a.data.iter().zip(&b.data).zip(&o.data) {
            let (a, b) = (f64::from(a - o), f64::from(b - o));
            product += a * b;
            size_a += a * a;
            size_b += b * b;
        }
    }
    let size = (size_a * size_b).sqrt();
    if size > 0.0 { product / size } else { 0.0 }
}

/// L2 distance over the weights that both have.
pub fn distance(a: &NamedTensors, b: &NamedTensors) -> f64 {
    let squares = a
        .iter()
        .filter_map(|(name, tensor)| Some((tensor, b.get(name)?)))
        .flat_map(|(a, b)| a.data.iter().zip(&b.data))
        .map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// L2 distance to the closest of the zoo's last checkpoints, and that concept's name.
///
/// # Errors
/// A zoo that cannot be read.
pub fn zoo_distance(weights: &NamedTensors, zoo: &Zoo) -> Result<Option<(f64, String)>> {
    let mut best: Option<(f64, String)> = None;
    for entry in zoo.last_entries() {
        let other = zoo.load(entry)?;
        let distance = distance(weights, &other);
        if best.as_ref().is_none_or(|(d, _)| distance < *d) {
            best = Some((distance, entry.concept.clone()));
        }
    }
    Ok(best)
}
