//! Adversarial losses and L1 (Eq. 4), penalties on gradients, and distances of feature maps.

mod critic;
mod dual;
mod features;
mod gan;
mod penalty;
mod terms;

pub use critic::Critic;
pub use features::{FeatureDistance, FeatureMaps, PerceptualLoss};
pub use gan::GanLoss;
pub use penalty::{gradient_penalty, r1_penalty};

pub(crate) use dual::Dual;
pub use terms::{bce_with_logits, l1_loss};
