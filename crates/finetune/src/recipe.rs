//! How one concept is trained.

use lora_gan::PatchGanConfig;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Hyper-parameters of one concept's training (Eq. 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Passes over the training pairs.
    pub epochs: usize,
    /// Pairs per step.
    pub batch_size: usize,
    /// Adam's learning rate for the adapter.
    pub lr_generator: f64,
    /// Adam's learning rate for the discriminator.
    pub lr_discriminator: f64,
    /// Steps over which both rates rise linearly from zero: Adam's first steps move every weight by
    /// the whole rate whatever its gradient, which costs a good start much of what it has.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Last share of the epochs over which both rates fall linearly to zero, 0..=1.
    pub decay: f64,
    /// Weight λ of the L1 term.
    pub lambda_l1: f64,
    /// Weight of the GAN term; 0 trains without a discriminator.
    pub gan_weight: f64,
    /// The discriminator.
    pub discriminator: PatchGanConfig,
    /// Seed of the shuffling and of the discriminator's initial weights.
    pub seed: u64,
}

impl Recipe {
    /// The paper's fine-tuning: lr 1.5e-3, 20 epochs, λ = 100 (pix2pix's).
    pub fn paper() -> Self {
        Self {
            epochs: 20,
            batch_size: 16,
            lr_generator: 1.5e-3,
            lr_discriminator: 2e-4,
            warmup_steps: 0,
            decay: 0.0,
            lambda_l1: 100.0,
            gan_weight: 1.0,
            discriminator: PatchGanConfig::paper(),
            seed: 0,
        }
    }

    /// 64×64 pairs on a CPU.
    pub fn compact() -> Self {
        Self {
            epochs: 10,
            batch_size: 8,
            lr_generator: 6e-3,
            discriminator: PatchGanConfig::compact(),
            ..Self::paper()
        }
    }

    /// Checks that the numbers can train something.
    ///
    /// # Errors
    /// [`Error::Recipe`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("lr_generator", self.lr_generator),
            ("lr_discriminator", self.lr_discriminator),
        ];
        for (field, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::Recipe {
                    field,
                    why: format!("{value} is not a positive number"),
                });
            }
        }
        for (field, value) in [
            ("lambda_l1", self.lambda_l1),
            ("gan_weight", self.gan_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::Recipe {
                    field,
                    why: format!("{value} is not a number of at least 0"),
                });
            }
        }
        if self.batch_size == 0 {
            return Err(Error::Recipe {
                field: "batch_size",
                why: "is zero".into(),
            });
        }
        if !(0.0..=1.0).contains(&self.decay) {
            return Err(Error::Recipe {
                field: "decay",
                why: format!("{} is outside 0..=1", self.decay),
            });
        }
        Ok(())
    }

    /// Factor of both learning rates in `epoch` (from 0) at `step` (from 1, over all epochs).
    pub(crate) fn lr_factor(&self, epoch: usize, step: usize) -> f64 {
        let warm = (step as f64 / self.warmup_steps.max(1) as f64).min(1.0);
        warm * self.decay_factor(epoch)
    }

    fn decay_factor(&self, epoch: usize) -> f64 {
        let flat = self.epochs as f64 * (1.0 - self.decay);
        let past = epoch as f64 - flat;
        if past < 0.0 || self.decay == 0.0 {
            1.0
        } else {
            // Past the last epoch too: a negative rate would train away from the targets.
            (1.0 - past / (self.epochs as f64 - flat).max(1.0)).max(0.0)
        }
    }
}
