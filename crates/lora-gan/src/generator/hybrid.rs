//! E²GAN's hybrid generator.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::config::GeneratorConfig;
use super::layers::{LayerSpec, Op, in_draw_order};
use super::shape::Kernel;
use super::transformer::TransformerBlock;
use crate::error::Error;
use crate::init::normal;
use crate::layers::{ConvUnit, ConvUnitConfig, LinearUnit};

/// Two 3×3 convolutions with norms, and the sum with the input.
#[derive(Module, Debug)]
pub struct ResBlock {
    /// First convolution, followed by ReLU.
    pub conv1: ConvUnit,
    /// Second convolution, without activation.
    pub conv2: ConvUnit,
}

/// Photo → edited photo: stem, two downsamplings, two ResBlocks, one more downsampling around a
/// transformer block, a ResBlock, two upsamplings, head (E²GAN's figure; the paper, §4).
///
/// `[B, 3, S, S]` in −1..1 → `[B, 3, S, S]` in −1..1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use lora_gan::{GeneratorConfig, HybridGenerator, Pass};
///
/// let device = Device::flex();
/// let generator = HybridGenerator::new(&GeneratorConfig::compact(), 0, &device)?;
/// let photo = Tensor::zeros([1, 3, 64, 64], &device);
/// let edited = generator.forward(photo, None, Pass::Eval)?;
/// assert_eq!(edited.dims(), [1, 3, 64, 64]);
/// # Ok::<(), lora_gan::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct HybridGenerator {
    /// 7×7 (`edge_kernel`), 3 → w₀.
    pub stem: ConvUnit,
    /// 3×3 stride 2, w₀ → w₁.
    pub down1: ConvUnit,
    /// 3×3 stride 2, w₁ → w₂.
    pub down2: ConvUnit,
    /// First residual block.
    pub res1: ResBlock,
    /// Second residual block.
    pub res2: ResBlock,
    /// 3×3 stride 2 before the transformer block.
    pub down3: ConvUnit,
    /// Self-attention, cross-attention to the text, feed-forward.
    pub transformer: TransformerBlock,
    /// Transposed (`up_kernel`) stride 2 after it.
    pub up3: ConvUnit,
    /// Third residual block.
    pub res3: ResBlock,
    /// Transposed (`up_kernel`) stride 2, w₂ → w₁.
    pub up2: ConvUnit,
    /// Transposed (`up_kernel`) stride 2, w₁ → w₀.
    pub up1: ConvUnit,
    /// 7×7 (`edge_kernel`), w₀ → 3, then tanh.
    pub head: ConvUnit,
    /// Learned tokens that are read if no text is given, `[null_tokens, C]`.
    pub null_context: Option<Param<Tensor<2>>>,
    #[module(skip)]
    config: GeneratorConfig,
}

impl HybridGenerator {
    /// A generator with seeded initial base weights and the configuration's initial LoRA.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the configuration's numbers do not fit together, and the errors of
    /// [`HybridGenerator::with_lora`].
    pub fn new(config: &GeneratorConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        config.validate()?;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut generator = Self::blank(config, device);
        for layer in in_draw_order() {
            layer.draw(&mut generator, rng, device);
        }
        generator.null_context = (config.null_tokens > 0).then(|| {
            let shape = [config.null_tokens, config.context_width];
            let data = normal(shape.iter().product(), 1.0, rng);
            Param::from_tensor(Tensor::from_data(TensorData::new(data, shape), device))
        });
        generator.with_lora(&config.lora, config.lora_seed)
    }

    /// The network's frame, whose layers are still to be drawn.
    fn blank(config: &GeneratorConfig, device: &Device) -> Self {
        let conv = || ConvUnit::blank(device);
        let block = || ResBlock {
            conv1: conv(),
            conv2: conv(),
        };
        Self {
            stem: conv(),
            down1: conv(),
            down2: conv(),
            res1: block(),
            res2: block(),
            down3: conv(),
            transformer: TransformerBlock::blank(config.widths[2], config.heads, device),
            up3: conv(),
            res3: block(),
            up2: conv(),
            up1: conv(),
            head: conv(),
            null_context: None,
            config: config.clone(),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    pub(crate) fn config_mut(&mut self) -> &mut GeneratorConfig {
        &mut self.config
    }
}

impl LayerSpec {
    /// Puts a layer with initial weights into the generator.
    fn draw(&self, generator: &mut HybridGenerator, rng: &mut ChaCha8Rng, device: &Device) {
        let config = generator.config();
        let shape = self.shape(config);
        match self.op {
            Op::Conv {
                kernel,
                stride,
                batch_norm,
                relu,
                unit_mut,
                ..
            } => {
                let config = ConvUnitConfig {
                    channels: [shape.input, shape.output],
                    kernel: shape.kernel,
                    stride,
                    transposed: kernel == Kernel::Up,
                    balanced: kernel == Kernel::Up && config.balanced_up,
                    reflect: kernel == Kernel::Edge && config.reflect_padding,
                    norm: batch_norm,
                    relu,
                };
                *unit_mut(generator) = ConvUnit::new(&config, rng, device);
            }
            Op::Linear { bias, unit_mut, .. } => {
                let channels = [shape.input, shape.output];
                *unit_mut(generator) = LinearUnit::new(channels, bias, rng, device);
            }
        }
    }
}
