//! Co-Mod-GAN's discriminator: StyleGAN2's, conditional on the photo.

use std::f64::consts::FRAC_1_SQRT_2;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::config::CoModConfig;
use super::conv::EqualConv;
use super::dense::EqualLinear;
use super::generator::check_photo;
use super::minibatch_std::{minibatch_std, minibatch_std_dual};
use crate::error::Error;
use crate::penalties::{Critic, Dual};
use lora_gan::state_dict::{self, StateDictFile};

/// One size of the discriminator: two convolutions beside a filtered 1×1, summed and divided by √2.
#[derive(Module, Debug)]
struct ResidualDown {
    /// 3×3.
    conv0: EqualConv,
    /// 3×3, halves the size.
    conv1: EqualConv,
    /// 1×1 without bias, halves the size.
    skip: EqualConv,
}

impl ResidualDown {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let skip = self.skip.forward(x.clone());
        let y = self.conv1.forward(self.conv0.forward(x));
        (y + skip).mul_scalar(FRAC_1_SQRT_2)
    }

    fn forward_dual(&self, x: Dual<4>) -> Dual<4> {
        let skip = self.skip.forward_dual(x.clone());
        let y = self.conv1.forward_dual(self.conv0.forward_dual(x));
        y.add(skip).linear(|t| t.mul_scalar(FRAC_1_SQRT_2))
    }
}

/// (photo, edited photo) → one logit per pair.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use gan_baselines::{CoModConfig, CoModDiscriminator};
///
/// let device = Device::flex();
/// let judge = CoModDiscriminator::new(&CoModConfig::compact(), 0, &device)?;
/// let photo = Tensor::zeros([4, 3, 64, 64], &device);
/// assert_eq!(judge.forward(photo.clone(), photo)?.dims(), [4, 1]);
/// # Ok::<(), gan_baselines::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct CoModDiscriminator {
    /// 1×1, the pair's six channels → first width.
    from_rgb: EqualConv,
    /// From the largest size to 8×8.
    blocks: Vec<ResidualDown>,
    /// 3×3 at 4×4, behind the minibatch's deviation.
    conv: EqualConv,
    /// The 4×4 features → nf(0).
    dense: EqualLinear,
    /// → the logit.
    out: EqualLinear,
    image_size: usize,
    group: usize,
}

impl CoModDiscriminator {
    /// A discriminator whose weights are drawn from `seed`, N(0, 1), biases zero.
    ///
    /// # Errors
    /// Returns [`Error::Config`] in the cases of [`CoModGenerator::new`](super::CoModGenerator::new).
    pub fn new(config: &CoModConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        config.validate()?;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let nf = |stage| config.width(stage);
        let top = config.levels();
        Ok(Self {
            from_rgb: EqualConv::new([6, nf(top - 1), 1], rng, device),
            blocks: (3..=top)
                .rev()
                .map(|r| {
                    let (n, m) = (nf(r - 1), nf(r - 2));
                    ResidualDown {
                        conv0: EqualConv::new([n, n, 3], rng, device),
                        conv1: EqualConv::new([n, m, 3], rng, device).down(),
                        skip: EqualConv::new([n, m, 1], rng, device).down().without_bias(),
                    }
                })
                .collect(),
            conv: EqualConv::new([nf(1) + 1, nf(1), 3], rng, device),
            dense: EqualLinear::new([nf(1) * 16, nf(0)], rng, device).with_activation(),
            out: EqualLinear::new([nf(0), 1], rng, device),
            image_size: config.image_size,
            group: config.minibatch_group,
        })
    }

    /// The same network with the weights of a safetensors file that
    /// [`save_state_dict`](Self::save_state_dict) wrote. The names are this crate's: the authors'
    /// checkpoints are TensorFlow's.
    ///
    /// # Errors
    /// Returns the errors of [`lora_gan::state_dict::load`].
    pub fn load_state_dict(self, file: impl Into<StateDictFile>) -> Result<Self, Error> {
        Ok(state_dict::load(self, &[], file)?)
    }

    /// Writes the weights as safetensors.
    ///
    /// # Errors
    /// Returns the errors of [`lora_gan::state_dict::save`].
    pub fn save_state_dict(&self, path: &Path) -> Result<(), Error> {
        Ok(state_dict::save(self, &[], path)?)
    }

    /// Photo and edited photo `[B, 3, S, S]` → logits `[B, 1]`; the larger, the more real the pair looks.
    ///
    /// The logits of a batch depend on each other through the minibatch deviation, so real and generated
    /// pairs have to be judged in two calls.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the size or the channels are not the configuration's, or if the batch is neither
    /// smaller than `minibatch_group` nor a multiple of it.
    pub fn forward(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<2>, Error> {
        self.check(&photo, &edited)?;
        let pair = Tensor::cat(vec![edited, photo], 1);
        let x = self
            .blocks
            .iter()
            .fold(self.from_rgb.forward(pair), |x, block| block.forward(x));
        let batch = x.dims()[0];
        let x = minibatch_std(x, self.group).ok_or_else(|| self.ungrouped(batch))?;
        let x = self.conv.forward(x).flatten(1, 3);
        Ok(self.out.forward(self.dense.forward(x)))
    }

    /// The logits' derivative along a direction of the edited photo.
    fn tangent(
        &self,
        photo: Tensor<4>,
        edited: Tensor<4>,
        direction: Tensor<4>,
    ) -> Result<Tensor<2>, Error> {
        self.check(&photo, &edited)?;
        let pair = Dual {
            tangent: Tensor::cat(vec![direction, photo.zeros_like()], 1),
            value: Tensor::cat(vec![edited, photo], 1),
        };
        let x = self
            .blocks
            .iter()
            .fold(self.from_rgb.forward_dual(pair), |x, block| {
                block.forward_dual(x)
            });
        let batch = x.value.dims()[0];
        let x = minibatch_std_dual(x, self.group).ok_or_else(|| self.ungrouped(batch))?;
        let x = self.conv.forward_dual(x).linear(|t| t.flatten(1, 3));
        Ok(self.out.forward_dual(self.dense.forward_dual(x)).tangent)
    }

    fn check(&self, photo: &Tensor<4>, edited: &Tensor<4>) -> Result<(), Error> {
        let batch = check_photo("photo", photo, self.image_size)?;
        if check_photo("edited photo", edited, self.image_size)? == batch {
            return Ok(());
        }
        Err(Error::Input {
            what: "edited photo",
            expected: format!("a batch of {batch}, like the photo"),
            found: edited.dims().to_vec(),
        })
    }

    fn ungrouped(&self, batch: usize) -> Error {
        Error::Input {
            what: "edited photo",
            expected: format!(
                "a batch smaller than {0} or a multiple of {0} (minibatch_group)",
                self.group
            ),
            found: vec![batch, 3, self.image_size, self.image_size],
        }
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
