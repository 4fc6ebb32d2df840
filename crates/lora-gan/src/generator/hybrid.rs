//! E²GAN's hybrid generator.

use burn::module::{Module, Param};
use burn::tensor::activation::tanh;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::config::{GeneratorConfig, NoiseInput};
use super::transformer::TransformerBlock;
use crate::error::Error;
use crate::init::normal;
use crate::layers::{ConvUnit, ConvUnitConfig, Noise};
use crate::pass::Pass;

/// How a forward pass treats norms and adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The base network alone: LoRA ignored; batch norm with the batch's statistics on a training
    /// (autodiff) module, with the running ones on a `valid()` one.
    PretrainBase,
    /// Base + LoRA; the base's running statistics are constants, folded into the convolutions.
    Adapted,
}

/// Text tokens that the cross-attention reads.
#[derive(Debug, Clone)]
pub struct Context {
    /// `[B or 1, L, C]`.
    pub tokens: Tensor<3>,
    /// `[B or 1, L]`, true where a token is real.
    pub mask: Tensor<2, Bool>,
}

/// Two 3×3 convolutions with norms, and the sum with the input.
#[derive(Module, Debug)]
pub struct ResBlock {
    /// First convolution, followed by ReLU.
    pub conv1: ConvUnit,
    /// Second convolution, without activation.
    pub conv2: ConvUnit,
}

impl ResBlock {
    fn forward(&self, x: Tensor<4>, dropout: f64, mode: Mode, noise: &mut Noise) -> Tensor<4> {
        let y = self.conv1.forward(x.clone(), mode, noise);
        let y = noise.drop(&y, dropout).unwrap_or(y);
        x + self.conv2.forward(y, mode, noise)
    }
}

/// Photo → edited photo: stem, two downsamplings, two ResBlocks, one more downsampling around a
/// transformer block, a ResBlock, two upsamplings, head (E²GAN's figure; the paper, §4).
///
/// `[B, 3, S, S]` in −1..1 → `[B, 3, S, S]` in −1..1.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use lora_gan::{GeneratorConfig, HybridGenerator, Mode};
///
/// let device = Device::flex();
/// let generator = HybridGenerator::new(&GeneratorConfig::compact(), 0, &device)?;
/// let photo = Tensor::zeros([1, 3, 64, 64], &device);
/// let edited = generator.forward(photo, None, Mode::Adapted);
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
    /// Learned tokens read where no text is given, `[null_tokens, C]`.
    pub null_context: Option<Param<Tensor<2>>>,
    #[module(skip)]
    config: GeneratorConfig,
}

impl HybridGenerator {
    /// A generator with seeded initial base weights and the configuration's initial LoRA.
    ///
    /// # Errors
    /// [`Error::Config`] where the configuration's numbers do not fit together.
    pub fn new(config: &GeneratorConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        config.validate()?;
        let mut base = ChaCha8Rng::seed_from_u64(seed);
        let input = 3 + usize::from(config.noise == NoiseInput::Channel);
        let [w0, w1, w2] = config.widths;
        let mut unit = |config: ConvUnitConfig| ConvUnit::new(&config, &mut base, device);
        let edge = |input, output| ConvUnitConfig {
            reflect: config.reflect_padding,
            ..ConvUnitConfig::new(input, output, config.edge_kernel)
        };
        let scale = |input, output, transposed| ConvUnitConfig {
            stride: 2,
            transposed,
            ..ConvUnitConfig::new(input, output, if transposed { config.up_kernel } else { 3 })
        };
        let same = |relu| ConvUnitConfig {
            relu,
            ..ConvUnitConfig::new(w2, w2, 3)
        };
        let stem = unit(edge(input, w0));
        let down1 = unit(scale(w0, w1, false));
        let down2 = unit(scale(w1, w2, false));
        let mut block = || ResBlock {
            conv1: unit(same(true)),
            conv2: unit(same(false)),
        };
        let (res1, res2, res3) = (block(), block(), block());
        let down3 = unit(scale(w2, w2, false));
        let up3 = unit(scale(w2, w2, true));
        let up2 = unit(scale(w2, w1, true));
        let up1 = unit(scale(w1, w0, true));
        let head = unit(ConvUnitConfig {
            norm: false,
            relu: false,
            ..edge(w0, 3)
        });
        let transformer =
            TransformerBlock::new(w2, config.context_width, config.heads, &mut base, device);
        let null_context = (config.null_tokens > 0).then(|| {
            let shape = [config.null_tokens, config.context_width];
            let data = normal(shape.iter().product(), 1.0, &mut base);
            Param::from_tensor(Tensor::from_data(TensorData::new(data, shape), device))
        });
        let bare = Self {
            stem,
            down1,
            down2,
            res1,
            res2,
            down3,
            transformer,
            up3,
            res3,
            up2,
            up1,
            head,
            null_context,
            config: config.clone(),
        };
        bare.with_lora(&config.lora, config.lora_seed)
    }

    /// Its configuration.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    pub(crate) fn config_mut(&mut self) -> &mut GeneratorConfig {
        &mut self.config
    }

    /// Translates photos; without a context the learned null tokens (or, where there are none, a
    /// zero token) take its place. Deterministic: no dropout, and a noise channel of zero.
    ///
    /// Shapes are the caller's promise; [`HybridGenerator::try_forward`] checks them.
    pub fn forward(&self, photo: Tensor<4>, context: Option<&Context>, mode: Mode) -> Tensor<4> {
        self.forward_pass(photo, context, mode, Pass::Eval)
    }

    /// [`HybridGenerator::forward`] that, under [`Pass::Train`], draws the configuration's noise z, and
    /// LoRA's dropout where the photo is on an autodiff device. The same seed gives the same edit.
    ///
    /// The pass leaves the norms alone: `mode` says what they do.
    pub fn forward_pass(
        &self,
        photo: Tensor<4>,
        context: Option<&Context>,
        mode: Mode,
        pass: Pass,
    ) -> Tensor<4> {
        let noise = &mut Noise::new(pass);
        let (tokens, mask) = match (context, &self.null_context) {
            (Some(context), _) => (context.tokens.clone(), Some(context.mask.clone())),
            (None, Some(null)) => (null.val().unsqueeze(), None),
            (None, None) => (
                Tensor::zeros([1, 1, self.config.context_width], &photo.device()),
                None,
            ),
        };
        let (photo, dropout) = match self.config.noise {
            NoiseInput::None => (photo, 0.0),
            NoiseInput::Dropout { p } => (photo, p),
            NoiseInput::Channel => {
                let [batch, _, height, width] = photo.dims();
                let z = noise.channel([batch, 1, height, width], &photo.device());
                (Tensor::cat(vec![photo, z], 1), 0.0)
            }
        };
        let x = self.stem.forward(photo, mode, noise);
        let x = self.down1.forward(x, mode, noise);
        let x = self.down2.forward(x, mode, noise);
        let x = self.res1.forward(x, dropout, mode, noise);
        let x = self.res2.forward(x, dropout, mode, noise);
        let y = self.down3.forward(x.clone(), mode, noise);
        let y = self.transformer.forward(y, tokens, mask, mode, noise);
        let y = self.up3.forward(y, mode, noise);
        let x = if self.config.bottleneck_skip {
            x + y
        } else {
            y
        };
        let x = self.res3.forward(x, dropout, mode, noise);
        let x = self.up2.forward(x, mode, noise);
        let x = self.up1.forward(x, mode, noise);
        tanh(self.head.forward(x, mode, noise))
    }
}
