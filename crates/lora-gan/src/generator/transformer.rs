//! The transformer block of the hybrid generator.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Bool, Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::Mode;
use crate::layers::{LinearUnit, Noise};

/// Multi-head attention from `[B, Q, C]` to `[B or 1, K, D]`, no bias on q, k and v.
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, `[C, C]`.
    pub to_q: LinearUnit,
    /// Keys, `[C, D]`.
    pub to_k: LinearUnit,
    /// Values, `[C, D]`.
    pub to_v: LinearUnit,
    /// Output projection, `[C, C]` with bias.
    pub to_out: LinearUnit,
    heads: usize,
}

impl Attention {
    fn forward(
        &self,
        x: Tensor<3>,
        context: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
        mode: Mode,
        noise: &mut Noise,
    ) -> Tensor<3> {
        let [batch, queries, width] = x.dims();
        let [contexts, keys, _] = context.dims();
        let head = width / self.heads;
        let split = |t: Tensor<3>, n: usize, len: usize| {
            t.reshape([n, len, self.heads, head]).swap_dims(1, 2)
        };
        let q = split(self.to_q.forward(x, mode, noise), batch, queries);
        let k = self.to_k.forward(context.clone(), mode, noise);
        let mut k = split(k, contexts, keys);
        let v = self.to_v.forward(context, mode, noise);
        let mut v = split(v, contexts, keys);
        if contexts != batch {
            k = k.expand([batch, self.heads, keys, head]);
            v = v.expand([batch, self.heads, keys, head]);
        }
        let mut scores = q
            .matmul(k.swap_dims(2, 3))
            .mul_scalar(1.0 / (head as f64).sqrt());
        if let Some(mask) = mask {
            let [masks, _] = mask.dims();
            let hidden = mask
                .bool_not()
                .reshape([masks, 1, 1, keys])
                .expand([batch, self.heads, queries, keys]);
            scores = scores.mask_fill(hidden, -1e9);
        }
        let y = softmax(scores, 3)
            .matmul(v)
            .swap_dims(1, 2)
            .reshape([batch, queries, width]);
        self.to_out.forward(y, mode, noise)
    }
}

/// Self-attention, cross-attention to the text, GEGLU feed-forward of 4×; pre-norm with residuals.
///
/// `[B, C, H, W]` → `[B, C, H, W]`.
#[derive(Module, Debug)]
pub struct TransformerBlock {
    /// Norm before the self-attention.
    pub norm1: LayerNorm,
    /// Self-attention over the H·W positions.
    pub attn1: Attention,
    /// Norm before the cross-attention.
    pub norm2: LayerNorm,
    /// Cross-attention to the context.
    pub attn2: Attention,
    /// Norm before the feed-forward.
    pub norm3: LayerNorm,
    /// GEGLU's projection to value and gate, `[8C, C]`.
    pub ff_in: LinearUnit,
    /// Back to the width, `[C, 4C]`.
    pub ff_out: LinearUnit,
}

impl TransformerBlock {
    pub(crate) fn new(
        width: usize,
        context: usize,
        heads: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let mut linear = |dims, bias| LinearUnit::new(dims, bias, rng, device);
        let mut attention = |keys: usize| Attention {
            to_q: linear([width, width], false),
            to_k: linear([keys, width], false),
            to_v: linear([keys, width], false),
            to_out: linear([width, width], true),
            heads,
        };
        let (attn1, attn2) = (attention(width), attention(context));
        let norm = || LayerNormConfig::new(width).init(device);
        Self {
            norm1: norm(),
            attn1,
            norm2: norm(),
            attn2,
            norm3: norm(),
            ff_in: linear([width, 8 * width], true),
            ff_out: linear([4 * width, width], true),
        }
    }

    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        context: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
        mode: Mode,
        noise: &mut Noise,
    ) -> Tensor<4> {
        let [batch, width, height, columns] = x.dims();
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2);
        let normed = self.norm1.forward(x.clone());
        let x = x + (self.attn1).forward(normed.clone(), normed, None, mode, noise);
        let x = x.clone()
            + self
                .attn2
                .forward(self.norm2.forward(x), context, mask, mode, noise);
        let hidden = self.norm3.forward(x.clone());
        let hidden = self.ff_in.forward(hidden, mode, noise);
        let mut halves = hidden.chunk(2, 2).into_iter();
        let x = match (halves.next(), halves.next()) {
            (Some(value), Some(gate)) => x + self.ff_out.forward(value * gelu(gate), mode, noise),
            _ => x,
        };
        x.swap_dims(1, 2).reshape([batch, width, height, columns])
    }
}
