//! Measuring a generator on pairs that it was not trained on.

use std::fmt;

use burn::tensor::Tensor;
use clean_fid::{FeatureNet, FeatureSet, FrechetReference, kernel_distance, l1, ssim};
use lora_gan::Pass;
use serde::{Deserialize, Serialize};

use crate::{Error, ImageTranslator, PairSet};

/// Images that go through the generator and the feature network at a time.
const BATCH: usize = 32;

/// What one measurement gives. Lower is better, except for `ssim`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Squared Fréchet distance between features of the outputs and of the targets.
    pub frechet: f64,
    /// Unbiased kernel distance (KID's estimator) on the same features.
    pub kid: f64,
    /// Mean absolute difference to the targets, for values in 0..1.
    pub l1: f64,
    /// Structural similarity to the targets; 1 for equal images.
    pub ssim: f64,
}

/// Test pairs with the statistics of their targets, taken once.
pub struct Evaluator<'a> {
    network: &'a dyn FeatureNet,
    photos: Tensor<4>,
    targets: Tensor<4>,
    features: FeatureSet,
    reference: FrechetReference,
}

/// Without the images and their features.
impl fmt::Debug for Evaluator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator")
            .field("metric", &self.metric_name())
            .field("pairs", &self.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Evaluator<'a> {
    /// Takes the targets' statistics on `network`; `pairs` on the plain device.
    ///
    /// # Errors
    /// Returns [`Error::NoPairs`] if there are fewer than two pairs, and [`Error::Metric`].
    pub fn new(network: &'a dyn FeatureNet, pairs: &PairSet) -> Result<Self, Error> {
        if pairs.len() < 2 {
            return Err(Error::NoPairs {
                what: "test",
                needed: 2,
            });
        }
        let targets = unit(pairs.targets.clone());
        let features = FeatureSet::extract(network, targets.clone(), BATCH)?;
        Ok(Self {
            network,
            photos: pairs.photos.clone(),
            targets,
            reference: FrechetReference::new(&features)?,
            features,
        })
    }

    /// Name of the metric in [`Quality::frechet`]: it carries the network's, since only
    /// InceptionV3 gives a FID.
    pub fn metric_name(&self) -> String {
        self.network.metric_name("frechet")
    }

    /// Number of pairs.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.photos.dims()[0]
    }

    /// Translates the test photos with a generator without gradients (`valid()`) and compares. Noise
    /// that the network takes is the same for every call.
    ///
    /// # Errors
    /// Returns [`Error::Metric`], also for NaN or infinite outputs, and [`Error::Network`].
    pub fn measure(&self, generator: &impl ImageTranslator) -> Result<Quality, Error> {
        let outputs = unit(translate(generator, &self.photos)?);
        let features = FeatureSet::extract(self.network, outputs.clone(), BATCH)?;
        Ok(Quality {
            frechet: self.reference.distance(&features)?,
            kid: kernel_distance(&self.features, &features)?,
            l1: l1(outputs.clone(), self.targets.clone())?,
            ssim: ssim(outputs, self.targets.clone())?,
        })
    }
}

/// Translates photos `[N, 3, S, S]` in −1..1 in batches with a generator without gradients. Noise that
/// the network takes is the same for every call.
///
/// # Errors
/// Returns [`Error::NoPairs`] if there is no photo, and [`Error::Network`] if the network does not take photos of this
/// size.
pub fn translate(generator: &impl ImageTranslator, photos: &Tensor<4>) -> Result<Tensor<4>, Error> {
    let count = photos.dims()[0];
    if count == 0 {
        return Err(Error::NoPairs {
            what: "photo",
            needed: 1,
        });
    }
    let parts = (0..count)
        .step_by(BATCH)
        .map(|start| {
            let end = (start + BATCH).min(count);
            let batch = photos.clone().slice([start..end]);
            generator.translate(batch, Pass::Eval)
        })
        .collect::<Result<_, Error>>()?;
    Ok(Tensor::cat(parts, 0))
}

/// −1..1 to 0..1, clamped.
fn unit(images: Tensor<4>) -> Tensor<4> {
    (images * 0.5 + 0.5).clamp_min(0.0).clamp_max(1.0)
}
