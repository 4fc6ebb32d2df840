//! R1 and WGAN-GP: penalties on a discriminator's gradient with respect to its input.
//!
//! Burn differentiates once, but a penalty's gradient with respect to the discriminator's parameters θ is a
//! second derivative. With S = ΣD and a constant direction v, ∇θ (v·∇ₓS) is the ordinary gradient of
//! v·∇ₓS, which [`Critic::sum_along`] computes as a forward pass. Both penalties' gradients have this
//! form: v = ∇ₓS for ‖∇ₓS‖²/2, and v = (‖g‖ − 1)·g/‖g‖ per image for (‖g‖ − 1)²/2. Difference
//! quotients would not do: they do not converge across the kinks of leaky ReLUs.

mod critic;
mod dual;
mod patchgan;

use burn::tensor::{Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::Error;
pub use critic::Critic;
pub(crate) use dual::Dual;

/// R1 (Mescheder et al., 2018, Eq. 9), `[1]`: γ/2 · mean over images of ‖∇ₓD(x)‖² on real edited
/// photos. Add it to the discriminator's loss: the backward pass gives the penalty's exact gradient with respect to
/// the parameters, and none with respect to the images.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use gan_baselines::r1_penalty;
/// use lora_gan::{GanLoss, PatchGan, PatchGanConfig};
///
/// let device = Device::flex().autodiff();
/// let judge = PatchGan::new(&PatchGanConfig::compact(), 0, &device)?;
/// let photo = Tensor::<4>::ones([1, 3, 64, 64], &device);
/// let (real, fake) = (photo.clone().mul_scalar(0.5), photo.clone().mul_scalar(-0.5));
/// let loss = GanLoss::NonSaturating.discriminator(
///     judge.forward(photo.clone(), real.clone())?,
///     judge.forward(photo.clone(), fake)?,
/// );
/// let gradients = (loss + r1_penalty(&judge, photo, real, 10.0)?).backward();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns [`Error::NoAutodiff`] on a device without autodiff, [`Error::NoGradient`] if the logits do not
/// depend on the images, and the errors of the discriminator's forward pass.
pub fn r1_penalty<C: Critic>(
    critic: &C,
    photo: Tensor<4>,
    real: Tensor<4>,
    gamma: f64,
) -> Result<Tensor<1>, Error> {
    let (photo, real) = (constant(photo)?, constant(real)?);
    let gradient = input_gradient(critic, &photo, &real)?;
    let n = real.dims()[0] as f64;
    let value = gradient
        .clone()
        .square()
        .sum()
        .mul_scalar(gamma / (2.0 * n));
    let slope = critic.sum_along(photo, real, gradient)?;
    Ok(carry(value, slope.mul_scalar(gamma / n)))
}

/// WGAN-GP (Gulrajani et al., 2017, Eq. 3), `[1]`: λ · mean of (‖∇ₓD(x)‖ − 1)² at a random point x
/// between each real and generated image; the points are drawn from `seed`. Add it to the
/// discriminator's loss, like [`r1_penalty`].
///
/// If an image's gradient is exactly zero, its norm has no derivative and the image contributes none.
///
/// # Errors
/// Returns [`Error::Input`] if `real` and `fake` differ in shape, and the errors of [`r1_penalty`].
pub fn gradient_penalty<C: Critic>(
    critic: &C,
    photo: Tensor<4>,
    real: Tensor<4>,
    fake: Tensor<4>,
    lambda: f64,
    seed: u64,
) -> Result<Tensor<1>, Error> {
    let shape = real.dims();
    if shape != fake.dims() {
        return Err(Error::Input {
            what: "batch of generated images",
            expected: format!("{shape:?}, the shape of the real ones"),
            found: fake.dims().to_vec(),
        });
    }
    let (photo, real, fake) = (constant(photo)?, constant(real)?, constant(fake)?);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let share: Vec<f32> = (0..shape[0]).map(|_| rng.random()).collect();
    let share = Tensor::from_data(TensorData::new(share, [shape[0], 1, 1, 1]), &real.device());
    let x = fake.clone() + (real - fake) * share;
    let gradient = input_gradient(critic, &photo, &x)?;
    let squares = gradient.clone().square();
    let norm = squares.sum_dim(3).sum_dim(2).sum_dim(1).sqrt();
    let excess = norm.clone().sub_scalar(1.0);
    let value = excess.clone().square().mean().mul_scalar(lambda);
    let direction = gradient * (excess / norm.clamp_min(1e-20));
    let slope = critic.sum_along(photo, x, direction)?;
    Ok(carry(
        value,
        slope.mul_scalar(2.0 * lambda / shape[0] as f64),
    ))
}

/// The same values on the same autodiff device, with no graph behind them.
fn constant(x: Tensor<4>) -> Result<Tensor<4>, Error> {
    if x.device().is_autodiff() {
        // `detach` would leave a leaf asking for a gradient.
        return Ok(Tensor::from_inner(x.without_autodiff()));
    }
    Err(Error::NoAutodiff)
}

/// ∇ₓ ΣD(x), a constant.
fn input_gradient<C: Critic>(
    critic: &C,
    photo: &Tensor<4>,
    x: &Tensor<4>,
) -> Result<Tensor<4>, Error> {
    let x = x.clone().require_grad();
    let frozen = critic.clone().no_grad();
    let gradients = frozen.sum(photo.clone(), x.clone())?.backward();
    x.grad(&gradients)
        .map(Tensor::from_inner)
        .ok_or(Error::NoGradient)
}

/// The value of the one with the gradient of the other.
fn carry(value: Tensor<1>, slope: Tensor<1>) -> Tensor<1> {
    value.detach() + (slope.clone() - slope.detach())
}
