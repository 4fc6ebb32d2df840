//! What a comparison measures.

use finetune::Quality;
use serde::{Deserialize, Serialize};

/// One method on one concept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MethodReport {
    /// Seconds that making the starting weights took.
    pub predict_seconds: f64,
    /// L2 norm of the starting weights; none for networks trained from scratch.
    pub start_norm: Option<f64>,
    /// Where the starting weights came from, if that can be told.
    pub origin: Option<String>,
    /// L2 distance of the starting weights to the closest zoo entry's; for denoised starts.
    pub zoo_distance: Option<f64>,
    /// Measured at the start and after each epoch.
    pub curve: Vec<Measurement>,
    /// Quality after the last epoch.
    pub final_quality: f64,
    /// When the zero start's final quality was reached, in seconds, prediction included; none if never.
    pub seconds_to_zero_final: Option<f64>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Measurement {
    /// Epochs done; a fraction within the first.
    pub epoch: f64,
    /// Seconds of prediction and training, measuring excluded.
    pub seconds: f64,
    /// The deciding metric; lower is better.
    pub quality: f64,
    /// Unbiased kernel distance (KID's estimator) on the same features.
    pub kid: f64,
    /// Mean absolute difference, 0..1.
    pub l1: f64,
    /// Structural similarity.
    pub ssim: f64,
}

impl Measurement {
    /// A measurement after `epoch` epochs and `seconds` of prediction and training.
    pub fn new(epoch: f64, seconds: f64, quality: &Quality) -> Self {
        Self {
            epoch,
            seconds,
            quality: quality.frechet,
            kid: quality.kid,
            l1: quality.l1,
            ssim: quality.ssim,
        }
    }
}

impl MethodReport {
    /// First moment of the curve at which quality is at most `target`, in seconds.
    pub fn seconds_to(&self, target: f64) -> Option<f64> {
        self.curve
            .iter()
            .find(|point| point.quality <= target)
            .map(|point| point.seconds)
    }

    /// Quality before any training.
    pub fn quality_at_0(&self) -> Option<f64> {
        self.curve.first().map(|point| point.quality)
    }
}
