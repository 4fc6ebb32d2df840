//! The 1-D UNet (paper, figure of the weight generator).

mod attention;
mod block_heads;
mod blocks;
mod config;
pub(crate) mod conv;
mod init;
mod parameter_count;
#[cfg(test)]
mod parity_tests;
mod precision;
#[cfg(test)]
mod tests;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::silu;
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};

use self::attention::{Context, TransformerBlock};
use self::block_heads::BlockHeads;
use self::blocks::{Downsample, IndexEmbedding, ResBlock, Upsample};
pub use self::config::UNet1dConfig;
use self::conv::{GroupNormLast, layer_norm, project};
use self::init::Init;
pub(crate) use self::parameter_count::parameter_count;
pub use self::precision::ComputePrecision;
use self::precision::{cast, like};
use crate::{Denoiser, Error, NoiseSchedule, Parameterization};
use encoded_text::TextCondition;

/// 1-D UNet over weight blocks.
///
/// ```text
/// w^t [B, b] → patches [B, L, p] → stem + positions
///   ├─ ResBlock, Transformer ───────────────── skip ─┐
///   ↓ L/2                                             │
///   ├─ ResBlock, Transformer ────────── skip ─┐       │
///   ↓ L/4                                      │       │
///   ├─ ResBlock ─────────────── skip ─┐        │       │
///   └─ Transformer → cat → ResBlock ──┘ ↑ cat → ResBlock, Transformer ↑ cat → ResBlock, Transformer
/// → GroupNorm, SiLU, linear (zero at the start) → F [B, b]
/// ```
///
/// emb = emb_n + emb_t enters every ResBlock, as scale and shift of its second norm. The prompt enters only
/// the transformer blocks, as tokens behind one learned token that is always visible, so that an empty
/// prompt is defined and text can be dropped in training. Near the noise end the input carries no
/// information, so positions have a learned embedding.
#[derive(Module, Debug)]
pub struct UNet1d {
    stem: Linear,
    positions: Param<Tensor<3>>,
    embed_n: IndexEmbedding,
    embed_t: IndexEmbedding,
    context_norm: LayerNorm,
    null_token: Param<Tensor<3>>,
    down_0: ResBlock,
    down_0_text: TransformerBlock,
    shrink_0: Option<Downsample>,
    down_1: ResBlock,
    down_1_text: TransformerBlock,
    shrink_1: Option<Downsample>,
    down_2: ResBlock,
    middle_text: TransformerBlock,
    up_2: ResBlock,
    grow_1: Option<Upsample>,
    up_1: ResBlock,
    up_1_text: TransformerBlock,
    grow_0: Option<Upsample>,
    up_0: ResBlock,
    up_0_text: TransformerBlock,
    norm_out: GroupNormLast,
    output: Linear,
    block_heads: Option<BlockHeads>,
    #[module(skip)]
    config: UNet1dConfig,
}

impl UNet1d {
    /// Creates a network with initial values that are drawn from `seed` on the host, so that they are the
    /// same on every device. The output layer is zero, so F = 0 at the start.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the configuration is invalid.
    pub fn new(config: &UNet1dConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        config.validate()?;
        let mut init = Init::new(seed, device);
        let init = &mut init;
        let [a, b, c] = config.widths();
        let res = |inputs, outputs, init: &mut Init| {
            ResBlock::new(
                inputs,
                outputs,
                config.embedding_size,
                config.norm_groups,
                init,
            )
        };
        let text = |width, init: &mut Init| {
            TransformerBlock::new(
                width,
                config.context_width,
                config.heads,
                config.ff_multiplier,
                init,
            )
        };
        let halve = config.downsample;
        Ok(Self {
            stem: init.linear(config.patch_size, a),
            positions: init.uniform([1, config.positions(), a], 0.5),
            embed_n: IndexEmbedding::new(config.encoding_size, config.embedding_size, init),
            embed_t: IndexEmbedding::new(config.encoding_size, config.embedding_size, init),
            context_norm: init.layer_norm(config.context_width),
            null_token: init.uniform([1, 1, config.context_width], 1.0),
            down_0: res(a, a, init),
            down_0_text: text(a, init),
            shrink_0: halve.then(|| Downsample::new(a, init)),
            down_1: res(a, b, init),
            down_1_text: text(b, init),
            shrink_1: halve.then(|| Downsample::new(b, init)),
            down_2: res(b, c, init),
            middle_text: text(c, init),
            up_2: res(2 * c, c, init),
            grow_1: halve.then(|| Upsample::new(c, init)),
            up_1: res(c + b, b, init),
            up_1_text: text(b, init),
            grow_0: halve.then(|| Upsample::new(b, init)),
            up_0: res(b + a, a, init),
            up_0_text: text(a, init),
            norm_out: GroupNormLast::new(a, config.norm_groups, init),
            output: init.zero_linear(a, config.patch_size),
            block_heads: (config.block_heads).map(|blocks| BlockHeads::new(blocks, config, init)),
            config: config.clone(),
        })
    }

    /// Shape of the network.
    pub fn config(&self) -> &UNet1dConfig {
        &self.config
    }

    /// Element type of the weights.
    pub fn dtype(&self) -> DType {
        self.stem.weight.dtype()
    }

    /// Device of the weights.
    pub fn device(&self) -> Device {
        self.positions.val().device()
    }

    /// The network without autodiff, computing in `precision`. Rounding the weights to 16 bits cannot be
    /// undone: keep the original network for training or saving.
    ///
    /// # Errors
    /// Returns [`Error::UnsupportedPrecision`] if the device does not compute in `precision`.
    pub fn compute_in(&self, precision: ComputePrecision) -> Result<Self, Error> {
        let network = self.valid();
        let device = network.device();
        if !device.supports_dtype(precision.dtype()) {
            return Err(Error::UnsupportedPrecision {
                precision,
                device: format!("{device:?}"),
            });
        }
        Ok(cast(network, precision))
    }

    /// The raw output F `[B, b]` for `noisy` w^t `[B, b]`, timesteps `t` `[B]` and block indices `n` `[B]`:
    /// ε̂, ŵ⁰ or v̂, see [`Parameterization`].
    pub fn forward(
        &self,
        noisy: Tensor<2>,
        t: Tensor<1, Int>,
        n: Tensor<1, Int>,
        text: &TextCondition,
    ) -> Tensor<2> {
        let [batch, block] = noisy.dims();
        let context = self.context(&text.tokens, &text.mask);
        let noisy = match self.config.parameterization {
            Parameterization::Epsilon | Parameterization::Sample | Parameterization::Velocity => {
                noisy
            }
            // The best linear estimate of w⁰: near the noise end, noise does not drown out the text.
            Parameterization::Skip => noisy * self.shares(t.clone()).0,
        };
        let embedding = silu(self.embed_n.forward(n.clone()) + self.embed_t.forward(t));
        let patches = like(noisy, self.dtype()).reshape([
            batch,
            self.config.positions(),
            self.config.patch_size,
        ]);
        let x = project(&self.stem, patches, None) + self.positions.val();

        let x = self.down_0.forward(x, embedding.clone());
        let skip_0 = self.down_0_text.forward(x, &context);
        let x = apply(&self.shrink_0, skip_0.clone(), Downsample::forward);
        let x = self.down_1.forward(x, embedding.clone());
        let skip_1 = self.down_1_text.forward(x, &context);
        let x = apply(&self.shrink_1, skip_1.clone(), Downsample::forward);
        let skip_2 = self.down_2.forward(x, embedding.clone());
        let x = self.middle_text.forward(skip_2.clone(), &context);

        let x = Tensor::cat(vec![x, skip_2], 2);
        let x = self.up_2.forward(x, embedding.clone());
        let x = apply(&self.grow_1, x, Upsample::forward);
        let x = Tensor::cat(vec![x, skip_1], 2);
        let x = self.up_1.forward(x, embedding.clone());
        let x = self.up_1_text.forward(x, &context);
        let x = apply(&self.grow_0, x, Upsample::forward);
        let x = Tensor::cat(vec![x, skip_0], 2);
        let x = self.up_0.forward(x, embedding);
        let x = self.up_0_text.forward(x, &context);

        let output = (self.norm_out).then(x.clone(), None, &self.output, None);
        let output = output.reshape([batch, block]);
        let output = match &self.block_heads {
            Some(heads) => output + heads.forward(x, n),
            None => output,
        };
        like(output, DType::F32)
    }

    fn context(&self, tokens: &Tensor<3>, mask: &Tensor<2, Bool>) -> Context {
        let [batch, _, width] = tokens.dims();
        let tokens = like(tokens.clone(), self.dtype());
        let null = self.null_token.val().expand([batch, 1, width]);
        let visible = Tensor::<2, Bool>::full([batch, 1], true, &mask.device());
        Context::new(
            Tensor::cat(vec![null, layer_norm(&self.context_norm, tokens)], 1),
            Tensor::cat(vec![visible, mask.clone()], 1),
        )
    }

    /// α_t and σ_t `[B, 1]` of the steps `t`.
    fn shares(&self, t: Tensor<1, Int>) -> (Tensor<2>, Tensor<2>) {
        let schedule = &self.config.schedule;
        let batch = t.dims()[0];
        let device = t.device();
        let gather = |share: &dyn Fn(usize) -> f64| {
            let table: Vec<f32> = (0..schedule.steps()).map(|t| share(t) as f32).collect();
            Tensor::<1>::from_data(TensorData::new(table, [schedule.steps()]), &device)
                .select(0, t.clone())
                .reshape([batch, 1])
        };
        (
            gather(&|t| schedule.alpha(t)),
            gather(&|t| schedule.sigma(t)),
        )
    }
}

fn apply<M>(
    module: &Option<M>,
    x: Tensor<3>,
    forward: impl Fn(&M, Tensor<3>) -> Tensor<3>,
) -> Tensor<3> {
    match module {
        Some(module) => forward(module, x),
        None => x,
    }
}

impl Denoiser for UNet1d {
    fn predict_noise(
        &self,
        noisy: Tensor<2>,
        t: Tensor<1, Int>,
        n: Tensor<1, Int>,
        text: &TextCondition,
    ) -> Tensor<2> {
        let output = self.forward(noisy.clone(), t.clone(), n, text);
        (self.config.parameterization).noise(noisy, output, || self.shares(t))
    }

    fn recover(
        &self,
        noisy: Tensor<2>,
        t: usize,
        n: Tensor<1, Int>,
        text: &TextCondition,
        schedule: &NoiseSchedule,
    ) -> Tensor<2> {
        let steps = Tensor::full([noisy.dims()[0]], t as i64, &noisy.device());
        let output = self.forward(noisy.clone(), steps, n, text);
        (self.config.parameterization).recover(noisy, output, t, schedule)
    }

    fn block_size(&self) -> usize {
        self.config.block_size
    }

    fn context_width(&self) -> usize {
        self.config.context_width
    }
}
