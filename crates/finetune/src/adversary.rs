//! The discriminator's side of a training step.

use burn::module::Module;
use burn::tensor::Tensor;
use gan_baselines::{gradient_penalty, r1_penalty};

use crate::adam::Adam;
use crate::trainer::noise_seed;
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

    /// One update at the rate `lr` on detached fakes, with the recipe's penalties that are due at `step` (from 1); gives the
    /// loss without them. `check` sees all of them before anything is updated.
    pub(crate) fn step(
        &mut self,
        recipe: &Recipe,
        (lr, step): (f64, usize),
        photo: &Tensor<4>,
        target: Tensor<4>,
        fake: Tensor<4>,
        check: impl Fn(f32) -> Result<(), Error>,
    ) -> Result<f32, Error> {
        let (real, generated) =
            (self.discriminator).judge_both(photo.clone(), target.clone(), fake.clone())?;
        let mut loss = recipe.gan_loss.discriminator(real, generated);
        let value = loss.clone().detach().into_scalar::<f32>();
        check(value)?;
        for penalty in self.penalties(recipe, step, photo, target, fake)? {
            check(penalty.clone().detach().into_scalar::<f32>())?;
            loss = loss + penalty;
        }
        let discriminator = self.discriminator.clone();
        self.discriminator = (self.adam).step(lr, discriminator, &mut loss.backward());
        Ok(value)
    }

    fn penalties(
        &self,
        recipe: &Recipe,
        step: usize,
        photo: &Tensor<4>,
        target: Tensor<4>,
        fake: Tensor<4>,
    ) -> Result<Vec<Tensor<1>>, Error> {
        let (judge, photo) = (&self.discriminator, || photo.clone());
        let mut due = Vec::new();
        if let Some(gamma) = recipe.r1_at(step) {
            due.push(r1_penalty(judge, photo(), target.clone(), gamma)?);
        }
        let lambda = recipe.gradient_penalty;
        if lambda > 0.0 {
            // Not the seed of the step's noise.
            let seed = noise_seed(!recipe.seed, step);
            due.push(gradient_penalty(
                judge,
                photo(),
                target,
                fake,
                lambda,
                seed,
            )?);
        }
        Ok(due)
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
