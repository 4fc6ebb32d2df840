//! The generator: c7s1-w, d2w, d4w, R4w × blocks, u2w, uw, c7s1-3, tanh.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::tanh;
use burn::tensor::{Device, Tensor};
use fused_ops::Activation;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::block::ResnetBlock;
use super::config::ResnetConfig;
use super::conv::{ConvLayer, Resize};
use super::names::names;
use crate::error::Error;
use lora_gan::Pass;
use lora_gan::state_dict::{self, StateDictFile};

/// pix2pix's `ResnetGenerator`, equal to the one of `junyanz/pytorch-CycleGAN-and-pix2pix` in
/// layers, initial distribution and names of its state dict.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use gan_baselines::{ResnetConfig, ResnetGenerator};
/// use lora_gan::Pass;
///
/// let device = Device::flex();
/// let generator = ResnetGenerator::new(&ResnetConfig::compact(), 0, &device)?;
/// let photo = Tensor::zeros([1, 3, 64, 64], &device);
/// let edited = generator.forward(photo, Pass::Eval)?;
/// assert_eq!(edited.dims(), [1, 3, 64, 64]);
/// # Ok::<(), gan_baselines::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct ResnetGenerator {
    /// 7×7, images → width.
    stem: ConvLayer,
    /// Two strided 3×3 layers.
    down: Vec<ConvLayer>,
    /// The residual blocks.
    blocks: Vec<ResnetBlock>,
    /// Two transposed 3×3 layers.
    up: Vec<ConvLayer>,
    /// 7×7, width → images, no norm.
    head: ConvLayer,
    channels: usize,
    dropout: bool,
}

impl ResnetGenerator {
    /// A generator whose weights are drawn from `seed`: N(0, 0.02), biases 0, γ of batch norms
    /// N(1, 0.02).
    ///
    /// # Errors
    /// Returns [`Error::Config`] if a width, a number of blocks or of channels, or the dropout is outside
    /// its range.
    pub fn new(config: &ResnetConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        config.validate()?;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (w, c, norm) = (config.width, config.channels, Some(config.norm));
        Ok(Self {
            stem: ConvLayer::new([c, w, 7], Resize::Keep, norm, rng, device),
            down: [w, 2 * w]
                .map(|n| ConvLayer::new([n, 2 * n, 3], Resize::Half, norm, rng, device))
                .into(),
            blocks: (0..config.blocks)
                .map(|_| ResnetBlock::new(4 * w, config.norm, config.dropout, rng, device))
                .collect(),
            up: [2 * w, w]
                .map(|n| ConvLayer::new([2 * n, n, 3], Resize::Double, norm, rng, device))
                .into(),
            head: ConvLayer::new([w, c, 7], Resize::Keep, None, rng, device),
            channels: c,
            dropout: config.dropout > 0.0,
        })
    }

    /// Photo `[B, C, H, W]` in −1..1 → its edit, the same shape and range.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the number of channels is not the configuration's, or if a height or width is
    /// below 8 or not divisible by 4.
    pub fn forward(&self, photo: Tensor<4>, pass: Pass) -> Result<Tensor<4>, Error> {
        let found = photo.dims();
        let [batch, c, h, w] = found;
        let fits = |side: usize| side >= 8 && side.is_multiple_of(4);
        if batch == 0 || c != self.channels || !fits(h) || !fits(w) {
            return Err(Error::Input {
                what: "photo",
                expected: format!(
                    "[B, {}, H, W] with H and W multiples of 4 and at least 8; resize or crop it",
                    self.channels
                ),
                found: found.to_vec(),
            });
        }
        let train = pass.is_train();
        let mut x = self.stem.forward(photo, train, Activation::Relu);
        for layer in &self.down {
            x = layer.forward(x, train, Activation::Relu);
        }
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x, pass, i as u64);
        }
        for layer in &self.up {
            x = layer.forward(x, train, Activation::Relu);
        }
        Ok(tanh(self.head.forward(x, train, Activation::None)))
    }

    /// The same generator with the weights of a file: safetensors, or (feature `pytorch`) a `.pth`
    /// state dict as `junyanz/pytorch-CycleGAN-and-pix2pix` saves it, zipped or from before
    /// PyTorch 1.6.
    ///
    /// `num_batches_tracked`, and the running statistics that files from before PyTorch 0.4 hold for
    /// instance norms, are skipped, as in the original.
    ///
    /// # Errors
    /// Returns the errors of [`lora_gan::state_dict::load`].
    pub fn load_state_dict(self, file: impl Into<StateDictFile>) -> Result<Self, Error> {
        let names = names(self.blocks.len(), self.dropout);
        Ok(state_dict::load(self, &names, file)?)
    }

    /// Writes the weights as safetensors under the original's names; PyTorch loads it with
    /// `load_state_dict(safetensors.torch.load_file(path))`.
    ///
    /// # Errors
    /// Returns the errors of [`lora_gan::state_dict::save`].
    pub fn save_state_dict(&self, path: &Path) -> Result<(), Error> {
        let names = names(self.blocks.len(), self.dropout);
        Ok(state_dict::save(self, &names, path)?)
    }
}
