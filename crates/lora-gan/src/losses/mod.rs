//! Adversarial losses and L1 (Eq. 4).

mod gan;
mod terms;

pub use gan::GanLoss;
pub use terms::{bce_with_logits, l1_loss};
