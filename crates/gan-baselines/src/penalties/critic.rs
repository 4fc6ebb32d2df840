//! Discriminators whose gradient with respect to the image can be penalized.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Error;

/// A discriminator of (photo, edited photo) that also gives the derivative of its logits along a
/// direction of the edited photo.
pub trait Critic: Module {
    /// The sum of the logits, `[1]`.
    ///
    /// # Errors
    /// Those of the discriminator's forward pass.
    fn sum(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<1>, Error>;

    /// d/dε Σ logits(photo, edited + ε·direction) at ε = 0, `[1]`: the product `direction`·∇Σ, as a
    /// graph that depends on the parameters like any other forward pass (forward-mode
    /// differentiation).
    ///
    /// # Errors
    /// Those of the discriminator's forward pass.
    fn sum_along(
        &self,
        photo: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<1>, Error>;
}
