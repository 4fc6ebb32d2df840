//! The discriminator's side of a training step.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use gan_baselines::r1_penalty;

use crate::{Error, PairDiscriminator, Recipe};

/// A discriminator in training.
pub(crate) struct Adversary<D> {
    pub(crate) discriminator: D,
    pub(crate) optim: ModuleOptimizer,
}

impl<D: PairDiscriminator + Module> Adversary<D> {
    pub(crate) fn new(discriminator: D) -> Self {
        Self {
            discriminator,
            optim: adam(),
        }
    }

    /// One update at the rate `lr` on detached fakes, with R1 of weight `r1_gamma` if there is one; gives the loss without
    /// the penalty. `check` sees both before anything is updated.
    pub(crate) fn step(
        &mut self,
        recipe: &Recipe,
        (lr, r1_gamma): (f64, Option<f64>),
        photo: &Tensor<4>,
        target: Tensor<4>,
        fake: Tensor<4>,
        check: impl Fn(f32) -> Result<(), Error>,
    ) -> Result<f32, Error> {
        let (real, fake) = (self.discriminator).judge_both(photo.clone(), target.clone(), fake)?;
        let mut loss = recipe.gan_loss.discriminator(real, fake);
        let value = loss.clone().detach().into_scalar::<f32>();
        check(value)?;
        if let Some(gamma) = r1_gamma {
            let penalty = r1_penalty(&self.discriminator, photo.clone(), target, gamma)?;
            check(penalty.clone().detach().into_scalar::<f32>())?;
            loss = loss + penalty;
        }
        let grads = GradientsParams::from_grads(loss.backward(), &self.discriminator);
        self.discriminator = self.optim.step(lr, self.discriminator.clone(), grads);
        Ok(value)
    }

    /// The generator's GAN loss, not weighted: gradients reach `fake` only.
    pub(crate) fn judge(
        &self,
        recipe: &Recipe,
        photo: Tensor<4>,
        fake: Tensor<4>,
    ) -> Result<Tensor<1>, Error> {
        let judge = self.discriminator.clone().no_grad();
        Ok(recipe.gan_loss.generator(judge.judge(photo, fake)?))
    }
}

/// pix2pix's Adam.
pub(crate) fn adam() -> ModuleOptimizer {
    AdamConfig::new()
        .with_beta_1(0.5)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .init()
}
