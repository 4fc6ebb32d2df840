//! Discriminators whose gradient by the image can be penalised.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::comod::CoModDiscriminator;
use crate::discriminator::PatchGan;
use crate::error::Error;

/// A discriminator of (photo, edited photo) that also gives the derivative of its logits along a
/// direction of the edited photo.
pub trait Critic: Module {
    /// Σ of the logits, `[1]`.
    ///
    /// # Errors
    /// As the discriminator's own.
    fn sum(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<1>, Error>;

    /// d/dε Σ logits(photo, edited + ε·direction) at ε = 0, `[1]`: `direction`·∇Σ, as a graph that
    /// depends on the parameters like any other forward pass (forward-mode differentiation).
    ///
    /// # Errors
    /// As the discriminator's own.
    fn sum_along(
        &self,
        photo: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<1>, Error>;
}

impl Critic for PatchGan {
    fn sum(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<1>, Error> {
        Ok(self.try_forward(photo, edited)?.sum())
    }

    fn sum_along(
        &self,
        photo: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<1>, Error> {
        Ok(self.tangent(photo, edited, direction)?.sum())
    }
}

impl Critic for CoModDiscriminator {
    fn sum(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<1>, Error> {
        Ok(self.forward(photo, edited)?.sum())
    }

    fn sum_along(
        &self,
        photo: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<1>, Error> {
        Ok(self.tangent(photo, edited, direction)?.sum())
    }
}
