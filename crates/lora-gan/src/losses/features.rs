//! Perceptual loss: distances of a frozen network's feature maps.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A frozen network that turns images into feature maps.
pub trait FeatureMaps {
    /// Images `[B, 3, H, W]` in −1..1 → one or more maps `[B, C, H', W']`, differentiable in the
    /// images.
    fn feature_maps(&self, images: Tensor<4>) -> Vec<Tensor<4>>;
}

/// How two feature maps are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureDistance {
    /// Mean absolute difference (as pix2pixHD does).
    #[default]
    L1,
    /// Mean squared difference (Johnson et al., 2016, Eq. 2).
    L2,
}

/// Weighted sum of the distances of the feature maps of two images.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use lora_gan::losses::{FeatureDistance, FeatureMaps, PerceptualLoss};
///
/// struct Pixels;
/// impl FeatureMaps for Pixels {
///     fn feature_maps(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
///         vec![images.clone(), images.mul_scalar(2.0)]
///     }
/// }
///
/// let device = Device::flex();
/// let (a, b) = (Tensor::ones([1, 3, 4, 4], &device), Tensor::zeros([1, 3, 4, 4], &device));
/// let loss = PerceptualLoss { distance: FeatureDistance::L2, weights: vec![1.0, 0.5] };
/// assert_eq!(loss.forward(&Pixels, a, b)?.into_scalar::<f32>(), 1.0 + 0.5 * 4.0);
/// # Ok::<(), lora_gan::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PerceptualLoss {
    /// How maps are compared.
    pub distance: FeatureDistance,
    /// One weight per map; empty for a weight of 1 each.
    pub weights: Vec<f64>,
}

impl PerceptualLoss {
    /// The loss `[1]` of `edited` against `target`; no gradient reaches `target`.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the number of weights is not that of the network's maps, and
    /// [`Error::NoFeatureMaps`] if the network gives none.
    pub fn forward<N: FeatureMaps + ?Sized>(
        &self,
        network: &N,
        edited: Tensor<4>,
        target: Tensor<4>,
    ) -> Result<Tensor<1>, Error> {
        let edited = network.feature_maps(edited);
        let target = network.feature_maps(target.detach());
        if !self.weights.is_empty() && self.weights.len() != edited.len() {
            return Err(Error::Config {
                field: "weights",
                value: format!("{} numbers", self.weights.len()),
                expected: format!(
                    "one for each of the network's {} feature maps, or none",
                    edited.len()
                ),
            });
        }
        let weights = self.weights.iter().copied().chain(std::iter::repeat(1.0));
        edited
            .into_iter()
            .zip(target)
            .zip(weights)
            .map(|((a, b), weight)| {
                let difference = a - b.detach();
                let distance = match self.distance {
                    FeatureDistance::L1 => difference.abs(),
                    FeatureDistance::L2 => difference.square(),
                };
                distance.mean().mul_scalar(weight)
            })
            .reduce(|sum, next| sum + next)
            .ok_or(Error::NoFeatureMaps)
    }
}
