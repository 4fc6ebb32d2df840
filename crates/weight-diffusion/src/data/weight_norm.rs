//! Norms of whole networks' weights.

use serde::{Deserialize, Serialize};

/// Mean and standard deviation of the L2 norms of networks' encoded weights, before normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormStats {
    /// Mean over the networks.
    pub mean: f64,
    /// Standard deviation over the networks (population).
    pub std: f64,
}

impl NormStats {
    /// Statistics of `norms`; zero if there are none.
    pub(crate) fn of(norms: &[f64]) -> Self {
        let n = norms.len().max(1) as f64;
        let mean = norms.iter().sum::<f64>() / n;
        let variance = norms.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        Self {
            mean,
            std: variance.sqrt(),
        }
    }
}

/// L2 norm.
pub(crate) fn l2(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt()
}
