//! The measures that need features and not only their statistics.

use clean_fid::distances::{Subsets, kernel_distance_subsets, manifold_metrics};
use clean_fid::{FeatureNet, FeatureSet};
use denoised_weights_examples::Result;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Kernel {
    pub name: String,
    pub mean: f64,
    pub std: f64,
    pub subsets: usize,
    pub size: usize,
    pub seed: u64,
}

#[derive(Serialize)]
pub(crate) struct Manifold {
    pub neighbours: usize,
    pub precision: f64,
    pub recall: f64,
    pub density: f64,
    pub coverage: f64,
}

/// The kernel distance of two sets of features.
pub(crate) fn kernel_of(
    a: &FeatureSet,
    b: &FeatureSet,
    count: usize,
    seed: u64,
    network: &dyn FeatureNet,
) -> Result<Kernel> {
    let subsets = Subsets {
        count,
        size: Subsets::default().size.min(a.len()).min(b.len()),
        seed,
    };
    let estimate = kernel_distance_subsets(a, b, &subsets)?;
    Ok(Kernel {
        name: network.metric_name("kernel"),
        mean: estimate.mean,
        std: estimate.std,
        subsets: count,
        size: subsets.size,
        seed,
    })
}

/// Precision, recall, density and coverage.
pub(crate) fn manifold_of(
    outputs: &FeatureSet,
    targets: &FeatureSet,
    neighbours: usize,
) -> Result<Manifold> {
    let metrics = manifold_metrics(targets, outputs, neighbours)?;
    Ok(Manifold {
        neighbours,
        precision: metrics.precision,
        recall: metrics.recall,
        density: metrics.density,
        coverage: metrics.coverage,
    })
}
