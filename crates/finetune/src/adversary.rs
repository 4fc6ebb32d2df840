//! The discriminator's side of a training step.

use burn::module::Module;
use burn::tensor::Tensor;
use gan_baselines::r1_penalty;

use crate::adam::Adam;
use crate::{Error, PairDiscriminator, Recipe};

/// A discriminator in training.
pub(crate) struct Adversary<D> {
    pub(crate) discriminator: D,
    pub(crate) adam: Adam,
}

impl<D: PairDiscriminator + Module> Adversary<D> {
    pub(crate) fn new(discriminator: D) -> Self {
        Self {
            discriminator,
            adam: pix2pix_adam(),
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
        let discriminator = self.discriminator.clone();
        self.discriminator = (self.adam).step(lr, discriminator, &mut loss.backward());
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
pub(crate) fn pix2pix_adam() -> Adam {
    Adam::new(0.5)
}
