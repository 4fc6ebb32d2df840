//! Distances between sets of features, and between images and their targets.

mod accumulator;
mod feature_set;
mod frechet;
mod generated;
mod kernel;
mod manifold;
mod npz;
mod paired;
mod ssim;
mod statistics;

pub use accumulator::StatisticsAccumulator;
pub use feature_set::FeatureSet;
pub use frechet::{FrechetReference, frechet_distance, frechet_distance_of};
pub use generated::{generated_frechet, generated_statistics};
pub use kernel::{SubsetEstimate, Subsets, kernel_distance, kernel_distance_subsets};
pub use manifold::{ManifoldMetrics, manifold_metrics};
pub use npz::NpzError;
pub use paired::{l1, psnr, ssim};
pub use statistics::FeatureStatistics;
