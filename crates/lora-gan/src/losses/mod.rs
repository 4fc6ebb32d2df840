//! Adversarial losses and L1 (Eq. 4), and distances of feature maps.

mod features;
mod gan;
mod terms;

pub use features::{FeatureDistance, FeatureMaps, PerceptualLoss};
pub use gan::GanLoss;
pub use terms::{bce_with_logits, l1_loss};
