//! Predicted weights.

use weight_blocks::NamedTensors;

use crate::data::NormStats;

/// Predicted weights, and their norm compared with the weights that the generator was trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The weights by name, ready to load.
    pub weights: NamedTensors,
    /// The same weights as N·b values, no longer normalised.
    pub encoded: Vec<f32>,
    /// L2 norm of `encoded`.
    pub norm: f64,
    /// Mean norm of the networks in the zoo.
    pub zoo_norm_mean: f64,
    /// Standard deviation of the norms of the networks in the zoo.
    pub zoo_norm_std: f64,
    /// Norms of the generator's predictions for its training prompts, if it was refined
    /// ([`WeightGenerator::with_trained_norm`](crate::WeightGenerator::with_trained_norm)).
    pub trained_norm: Option<NormStats>,
}

impl Prediction {
    /// A warning if the norm is more than four standard deviations and 5 % away from the zoo's mean, or off by
    /// a factor of two: such weights are rarely useful. The prediction of a refined generator is compared
    /// with its predictions for the training prompts instead.
    pub fn norm_warning(&self) -> Option<String> {
        let (mean, std, whose) = match self.trained_norm {
            Some(norm) => (norm.mean, norm.std, "for the training prompts"),
            None => (self.zoo_norm_mean, self.zoo_norm_std, "of the zoo"),
        };
        let distance = (self.norm - mean).abs();
        // With a zoo of nearly equal norms, the deviation alone would warn of rounding.
        let far = distance > (4.0 * std).max(0.05 * mean);
        let double = self.norm > 2.0 * mean || self.norm < 0.5 * mean;
        if !self.norm.is_finite() || (mean > 0.0 && (far || double)) {
            return Some(format!(
                "the predicted weights have norm {:.3}, but those {whose} have {mean:.3} ± {std:.3}; the prompt may be far from those of the zoo, or the weight generator may need more training",
                self.norm
            ));
        }
        None
    }
}
