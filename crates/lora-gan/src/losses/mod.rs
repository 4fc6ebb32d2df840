//! Adversarial losses beside Eq. 4's, penalties on gradients, and distances of feature maps.

mod critic;
mod dual;
mod features;
mod gan;
mod penalty;

pub use critic::Critic;
pub use features::{FeatureDistance, FeatureMaps, PerceptualLoss};
pub use gan::GanLoss;
pub use penalty::{gradient_penalty, r1_penalty};

pub(crate) use dual::Dual;
