//! How one concept is trained.

use lora_gan::{GanLoss, NormKind, PatchGanConfig};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Hyper-parameters of one concept's training (Eq. 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// Last share of the epochs over which both rates fall linearly, as in pix2pix: an epoch more would have zero, 0..=1.
    pub decay: f64,
    /// Weight λ of the L1 term.
    pub lambda_l1: f64,
    /// Weight of the GAN term; 0 trains without a discriminator.
    pub gan_weight: f64,
    /// Which adversarial loss.
    #[serde(default)]
    pub gan_loss: GanLoss,
    /// γ of the R1 penalty on the discriminator; 0 for none.
    #[serde(default)]
    pub r1_gamma: f64,
    /// Steps from one R1 penalty to the next, its weight growing alike (StyleGAN2's lazy
    /// regularisation: 16).
    #[serde(default = "one")]
    pub r1_every: usize,
    /// λ of WGAN-GP's penalty on the discriminator, at every step (Gulrajani et al. 2017 use 10). [`GanLoss::Wasserstein`]
    /// needs it, and the other losses take none: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gradient_penalty: f64,
    /// The discriminator of [`ConceptTrainer`](crate::ConceptTrainer).
    pub discriminator: PatchGanConfig,
    /// Seed of the shuffling, of each step's noise, and of
    /// [`ConceptTrainer`](crate::ConceptTrainer)'s discriminator.
    pub seed: u64,
}

fn one() -> usize {
    1
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
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
            gan_loss: GanLoss::Vanilla,
            r1_gamma: 0.0,
            r1_every: 1,
            gradient_penalty: 0.0,
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

    /// pix2pix from scratch (Isola et al. 2017; the paper's Table 1): 200 epochs of single pairs, Adam
    /// at 2e-4 for both networks, decaying over the second half, 70×70 patches with batch norm.
    pub fn pix2pix() -> Self {
        Self {
            epochs: 200,
            batch_size: 1,
            lr_generator: 2e-4,
            decay: 0.5,
            discriminator: PatchGanConfig::pix2pix(NormKind::Batch),
            ..Self::paper()
        }
    }

    /// [`Recipe::pix2pix`] for 64×64 pairs on a CPU: fewer epochs, larger batches, higher rates.
    pub fn pix2pix_compact() -> Self {
        Self {
            epochs: 10,
            batch_size: 4,
            lr_generator: 1e-3,
            discriminator: PatchGanConfig::compact(),
            ..Self::pix2pix()
        }
    }

    /// Co-Mod-GAN from scratch (Zhao et al. 2021) for 64×64 pairs on a CPU: StyleGAN2's
    /// non-saturating loss with R1 (γ = 10, every 16 steps), and λ·L1 as for all networks compared.
    pub fn comod_compact() -> Self {
        Self {
            epochs: 10,
            batch_size: 4,
            lr_generator: 2e-3,
            lr_discriminator: 2e-3,
            gan_loss: GanLoss::NonSaturating,
            r1_gamma: 10.0,
            r1_every: 16,
            discriminator: PatchGanConfig::compact(),
            ..Self::paper()
        }
    }

    /// Checks that the numbers can train something.
    ///
    /// # Errors
    /// Returns [`Error::Recipe`], which names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("lr_generator", self.lr_generator),
            ("lr_discriminator", self.lr_discriminator),
        ];
        for (field, value) in positive {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::Recipe {
                    field,
                    value,
                    requirement: "a positive number",
                });
            }
        }
        for (field, value) in [
            ("lambda_l1", self.lambda_l1),
            ("gan_weight", self.gan_weight),
            ("r1_gamma", self.r1_gamma),
            ("gradient_penalty", self.gradient_penalty),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::Recipe {
                    field,
                    value,
                    requirement: "a number of at least 0",
                });
            }
        }
        for (field, value) in [("batch_size", self.batch_size), ("r1_every", self.r1_every)] {
            if value == 0 {
                return Err(Error::Recipe {
                    field,
                    value: 0.0,
                    requirement: "at least 1",
                });
            }
        }
        if !(0.0..=1.0).contains(&self.decay) {
            return Err(Error::Recipe {
                field: "decay",
                value: self.decay,
                requirement: "between 0 and 1",
            });
        }
        let wasserstein = self.gan_loss == GanLoss::Wasserstein;
        if wasserstein != (self.gradient_penalty > 0.0) {
            return Err(Error::Recipe {
                field: "gradient_penalty",
                value: self.gradient_penalty,
                requirement: if wasserstein {
                    "more than 0 if `gan_loss` is wasserstein, which needs it to train; 10 is usual"
                } else {
                    "0 unless `gan_loss` is wasserstein; use `r1_gamma` with the other losses"
                },
            });
        }
        Ok(())
    }

    /// Weight of the R1 penalty at `step` (from 1): lazily, as StyleGAN2, every k-th step with k times
    /// the weight.
    pub(crate) fn r1_at(&self, step: usize) -> Option<f64> {
        let due = self.r1_gamma > 0.0 && (step - 1).is_multiple_of(self.r1_every);
        due.then_some(self.r1_gamma * self.r1_every as f64)
    }

    /// Factor of both learning rates in `epoch` (from 0) at `step` (from 1, over all epochs).
    pub(crate) fn lr_factor(&self, epoch: usize, step: usize) -> f64 {
        self.warm_up(step) * self.decay_factor(epoch)
    }

    /// Its factor at `step` (from 1) that does not depend on the epoch.
    pub(crate) fn warm_up(&self, step: usize) -> f64 {
        (step as f64 / self.warmup_steps.max(1) as f64).min(1.0)
    }

    fn decay_factor(&self, epoch: usize) -> f64 {
        let flat = self.epochs as f64 * (1.0 - self.decay);
        let past = epoch as f64 - flat;
        if past < 0.0 || self.decay == 0.0 {
            1.0
        } else {
            // Past the last epoch too: a negative rate would train away from the targets.
            (1.0 - (past + 1.0) / (self.epochs as f64 - flat + 1.0)).max(0.0)
        }
    }
}
