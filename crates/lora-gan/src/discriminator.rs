//! The conditional patch discriminator of pix2pix.

use burn::module::{Module, Param};
use burn::nn::{InstanceNorm, InstanceNormConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layers::normal;

/// Shape of a [`PatchGan`] (Isola et al., 2017, §6.1.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatchGanConfig {
    /// Channels after the first layer; they double per layer up to 8×.
    pub width: usize,
    /// Stride-2 layers: 3 give the 70×70 patch, 2 one of 34×34.
    pub layers: usize,
}

impl PatchGanConfig {
    /// pix2pix's 70×70 patches, 64 channels.
    pub fn paper() -> Self {
        Self {
            width: 64,
            layers: 3,
        }
    }

    /// 34×34 patches, 16 channels, for 64×64 images.
    pub fn compact() -> Self {
        Self {
            width: 16,
            layers: 2,
        }
    }
}

/// 4×4 convolution with pix2pix's N(0, 0.02) weights, an optional instance norm and leaky ReLU.
#[derive(Module, Debug)]
pub struct PatchLayer {
    /// `[f, c, 4, 4]`.
    pub weight: Param<Tensor<4>>,
    /// `[f]`.
    pub bias: Param<Tensor<1>>,
    /// None on the first and the last layer.
    pub norm: Option<InstanceNorm>,
    stride: usize,
    activation: bool,
}

impl PatchLayer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions::new([self.stride; 2], [1, 1], [1, 1], 1);
        let y = conv2d(x, self.weight.val(), Some(self.bias.val()), options);
        let y = match &self.norm {
            Some(norm) => norm.forward(y),
            None => y,
        };
        if self.activation {
            leaky_relu(y, 0.2)
        } else {
            y
        }
    }
}

/// PatchGAN on (photo, edited photo): `[B, 3, H, W]` twice → logits `[B, 1, H', W']`.
#[derive(Module, Debug)]
pub struct PatchGan {
    /// From the pair to the logits.
    pub layers: Vec<PatchLayer>,
}

impl PatchGan {
    /// A discriminator with seeded initial weights.
    ///
    /// # Errors
    /// [`Error::Config`] for a width or a number of layers of zero.
    pub fn new(config: &PatchGanConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        if config.width == 0 || config.layers == 0 {
            return Err(Error::Config {
                field: "PatchGanConfig",
                why: format!("{config:?} needs a width and layers of at least 1"),
            });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut channels = 6;
        let mut layers = Vec::with_capacity(config.layers + 2);
        // `layers` strided layers, one of stride 1, and the one that gives the logits.
        for i in 0..config.layers + 2 {
            let last = i == config.layers + 1;
            let output = if last { 1 } else { config.width << i.min(3) };
            let shape = [output, channels, 4, 4];
            let weight = normal(shape.iter().product(), 0.02, &mut rng);
            layers.push(PatchLayer {
                weight: Param::from_tensor(Tensor::from_data(
                    TensorData::new(weight, shape),
                    device,
                )),
                bias: Param::from_tensor(Tensor::zeros([output], device)),
                norm: (i > 0 && !last).then(|| InstanceNormConfig::new(output).init(device)),
                stride: if i < config.layers { 2 } else { 1 },
                activation: !last,
            });
            channels = output;
        }
        Ok(Self { layers })
    }

    /// Logits of every patch; large where it takes the pair for a real one.
    pub fn forward(&self, photo: Tensor<4>, edited: Tensor<4>) -> Tensor<4> {
        self.layers
            .iter()
            .fold(Tensor::cat(vec![photo, edited], 1), |x, layer| {
                layer.forward(x)
            })
    }
}
