//! The adversarial losses by name.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

use super::terms::bce_with_logits;

/// An adversarial loss on logits of any shape (patches `[B, 1, H, W]` or one per image `[B, 1]`).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use lora_gan::GanLoss;
///
/// let device = Device::flex();
/// let real = Tensor::<2>::from_floats([[0.5], [3.0]], &device);
/// let fake = Tensor::<2>::from_floats([[-2.0], [0.0]], &device);
/// let loss = GanLoss::Hinge.discriminator(real, fake).into_scalar::<f32>();
/// assert_eq!(loss, 0.25 + 0.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GanLoss {
    /// Binary cross-entropy (Goodfellow et al., 2014), the discriminator's halved as pix2pix does;
    /// the generator's is the non-saturating one.
    #[default]
    Vanilla,
    /// The same without the half: softplus(−D(real)) + softplus(D(fake)), as StyleGAN2 and
    /// Co-Mod-GAN write it.
    NonSaturating,
    /// Squared distance to 1 (real) and 0 (fake), the discriminator's halved (LSGAN, Mao et al.,
    /// 2017, Eq. 9; pix2pix's `lsgan`). The generator's is not halved, as in pix2pix.
    LeastSquares,
    /// max(0, 1 − D(real)) + max(0, 1 + D(fake)) (Lim and Ye, 2017; SAGAN); generator −D(fake).
    Hinge,
    /// D(fake) − D(real) (Arjovsky et al., 2017); generator −D(fake). WGAN-GP adds
    /// a gradient penalty (crate `gan-baselines`, `finetune::Recipe::gradient_penalty`).
    Wasserstein,
}

impl GanLoss {
    /// The discriminator's loss, `[1]`, each logit weighted alike.
    pub fn discriminator<const D: usize>(self, real: Tensor<D>, fake: Tensor<D>) -> Tensor<1> {
        match self {
            Self::Vanilla => Self::NonSaturating
                .discriminator(real, fake)
                .mul_scalar(0.5),
            Self::NonSaturating => bce_with_logits(real, true) + bce_with_logits(fake, false),
            Self::LeastSquares => {
                let real = real.sub_scalar(1.0).square().mean();
                (real + fake.square().mean()).mul_scalar(0.5)
            }
            Self::Hinge => {
                let real = relu(real.neg().add_scalar(1.0)).mean();
                real + relu(fake.add_scalar(1.0)).mean()
            }
            Self::Wasserstein => fake.mean() - real.mean(),
        }
    }

    /// The generator's loss, `[1]`, on the logits of its own images.
    pub fn generator<const D: usize>(self, fake: Tensor<D>) -> Tensor<1> {
        match self {
            Self::Vanilla | Self::NonSaturating => bce_with_logits(fake, true),
            Self::LeastSquares => fake.sub_scalar(1.0).square().mean(),
            Self::Hinge | Self::Wasserstein => fake.mean().neg(),
        }
    }
}
