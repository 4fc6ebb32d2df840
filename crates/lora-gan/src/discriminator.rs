//! The conditional patch discriminator of pix2pix.

use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fused_ops::Activation;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, check_field};
use crate::init::normal;
use crate::norm::{Norm, NormKind};
use crate::state_dict::{self, LayerNames, StateDictFile};

/// Shape of a [`PatchGan`] (Isola et al., 2017, §6.1.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchGanConfig {
    /// Channels after the first layer; they double per layer up to 8×.
    pub width: usize,
    /// Stride-2 layers: 3 give the 70×70 patch, 2 one of 34×34.
    pub layers: usize,
    /// The norm between the first and the last layer.
    #[serde(default)]
    pub norm: NormKind,
}

impl PatchGanConfig {
    /// 70×70 patches, 64 channels, instance norms with γ and β.
    pub fn paper() -> Self {
        Self {
            width: 64,
            layers: 3,
            norm: NormKind::InstanceAffine,
        }
    }

    /// The original's `--netD basic`, 70×70 patches: [`NormKind::Batch`] is its default,
    /// [`NormKind::Instance`] its `--norm instance`.
    pub fn pix2pix(norm: NormKind) -> Self {
        Self {
            norm,
            ..Self::paper()
        }
    }

    /// 70×70 patches, 16 channels, for 256×256 images on a CPU.
    pub fn photo() -> Self {
        Self {
            width: 16,
            ..Self::paper()
        }
    }

    /// 34×34 patches, 16 channels, for 64×64 images.
    pub fn compact() -> Self {
        Self {
            width: 16,
            layers: 2,
            norm: NormKind::InstanceAffine,
        }
    }
}

/// 4×4 convolution with pix2pix's N(0, 0.02) weights, an optional norm and leaky ReLU.
#[derive(Module, Debug)]
pub struct PatchLayer {
    /// `[f, c, 4, 4]`.
    pub weight: Param<Tensor<4>>,
    /// `[f]`; `None` before a batch norm.
    pub bias: Option<Param<Tensor<1>>>,
    /// `None` on the first and the last layer.
    pub norm: Option<Norm>,
    /// 2 for a layer that halves the size, 1 otherwise.
    pub stride: usize,
    /// Whether leaky ReLU (slope 0.2) follows.
    pub activation: bool,
}

impl PatchLayer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let activation = if self.activation {
            Activation::LeakyRelu(0.2)
        } else {
            Activation::None
        };
        let convolve = |activation| {
            let bias = self.bias.as_ref().map(Param::val);
            let (weight, x) = (self.weight.val(), x);
            fused_ops::conv2d(x, weight, bias, self.stride, 1, activation)
        };
        match &self.norm {
            // A discriminator is only ever in training.
            Some(norm) => norm.forward(convolve(Activation::None), true, activation),
            None => convolve(activation),
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
    /// Returns [`Error::Config`] if the width is outside 1..=4096 or the number of layers outside 1..=16.
    pub fn new(config: &PatchGanConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        check_field("width", config.width, 1..=4096, "1 to 4096")?;
        check_field("layers", config.layers, 1..=16, "1 to 16")?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut channels = 6;
        let mut layers = Vec::with_capacity(config.layers + 2);
        // `layers` strided layers, one of stride 1, and the one that gives the logits.
        for i in 0..config.layers + 2 {
            let last = i == config.layers + 1;
            let output = if last { 1 } else { config.width << i.min(3) };
            let shape = [output, channels, 4, 4];
            let weight = normal(shape.iter().product(), 0.02, &mut rng);
            let norm = (i > 0 && !last).then_some(config.norm);
            layers.push(PatchLayer {
                weight: Param::from_tensor(Tensor::from_data(
                    TensorData::new(weight, shape),
                    device,
                )),
                bias: norm
                    .is_none_or(NormKind::conv_has_bias)
                    .then(|| Param::from_tensor(Tensor::zeros([output], device))),
                norm: norm.map(|kind| Norm::new(kind, output, &mut rng, device)),
                stride: if i < config.layers { 2 } else { 1 },
                activation: !last,
            });
            channels = output;
        }
        Ok(Self { layers })
    }

    /// Photo and edited photo → logits of every patch; the larger, the more real the pair looks.
    ///
    /// Batch norms always use the batch's statistics, so with [`NormKind::Batch`] real and generated pairs have
    /// to be judged in two calls, as in pix2pix; [`PatchGan::forward_both`] does.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the images are not two `[B, 3, H, W]` of one shape, at least 3·2^layers
    /// high and wide.
    pub fn forward(&self, photo: Tensor<4>, edited: Tensor<4>) -> Result<Tensor<4>, Error> {
        self.check_input(&photo, &edited)?;
        Ok(
            (self.layers.iter()).fold(Tensor::cat(vec![photo, edited], 1), |x, layer| {
                layer.forward(x)
            }),
        )
    }

    /// The logits of the real and of the generated edits of the same photos, in one pass unless a batch norm
    /// would mix them.
    ///
    /// # Errors
    /// Those of [`PatchGan::forward`].
    pub fn forward_both(
        &self,
        photo: Tensor<4>,
        real: Tensor<4>,
        fake: Tensor<4>,
    ) -> Result<(Tensor<4>, Tensor<4>), Error> {
        let mut norms = self.layers.iter().filter_map(|layer| layer.norm.as_ref());
        if norms.any(Norm::is_batch) {
            return Ok((
                self.forward(photo.clone(), real)?,
                self.forward(photo, fake)?,
            ));
        }
        self.check_input(&photo, &real)?;
        self.check_input(&photo, &fake)?;
        let n = photo.dims()[0];
        let photos = Tensor::cat(vec![photo.clone(), photo], 0);
        let logits = self.forward(photos, Tensor::cat(vec![real, fake], 0))?;
        Ok((logits.clone().slice([0..n]), logits.slice([n..2 * n])))
    }

    /// Checks images without running the network.
    ///
    /// # Errors
    /// Those of [`PatchGan::forward`].
    pub fn check_input(&self, photo: &Tensor<4>, edited: &Tensor<4>) -> Result<(), Error> {
        let strides = self.layers.iter().map(|layer| layer.stride);
        let smallest = strides.fold(3, usize::saturating_mul);
        let fits = |[b, c, h, w]: [usize; 4]| b > 0 && c == 3 && h.min(w) >= smallest;
        let found = photo.dims();
        if !fits(found) {
            return Err(Error::Input {
                what: "photo",
                expected: format!("[B, 3, H, W] with H and W of at least {smallest}"),
                found: found.to_vec(),
            });
        }
        if edited.dims() != found {
            return Err(Error::Input {
                what: "edited photo",
                expected: format!("{found:?}, the photo's shape"),
                found: edited.dims().to_vec(),
            });
        }
        Ok(())
    }

    /// The same discriminator with the weights of a file, under the names of the original's
    /// `NLayerDiscriminator`.
    ///
    /// # Errors
    /// Those of [`state_dict::load`].
    pub fn load_state_dict(self, file: impl Into<StateDictFile>) -> Result<Self, Error> {
        let names = self.torch_names();
        state_dict::load(self, &names, file)
    }

    /// Writes the weights as safetensors under the original's names.
    ///
    /// # Errors
    /// Those of [`state_dict::save`].
    pub fn save_state_dict(&self, path: &Path) -> Result<(), Error> {
        state_dict::save(self, &self.torch_names(), path)
    }

    /// Leaky ReLU follows the first convolution; a norm and leaky ReLU follow the next ones.
    fn torch_names(&self) -> Vec<LayerNames> {
        (0..self.layers.len())
            .map(|i| {
                let at = if i == 0 { 0 } else { 3 * i - 1 };
                LayerNames {
                    layer: format!("layers.{i}"),
                    conv: format!("model.{at}"),
                    norm: format!("model.{}", at + 1),
                }
            })
            .collect()
    }
}
