//! Multi-head self-attention.

use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Tensor};

use super::Linear;
use crate::Error;
use crate::weights::Weights;

/// Which tokens a token may look at: all, but for what is set here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    /// None after itself.
    pub(crate) causal: bool,
    /// None marked true in `[B, 1, 1, L]`.
    pub(crate) padding: Option<Tensor<4, Bool>>,
}

#[derive(Debug)]
pub(crate) struct SelfAttention {
    /// Query, key and value in one product.
    qkv: Linear,
    out: Linear,
    heads: usize,
}

impl SelfAttention {
    /// `qkv` and `out` are the names of the layers, each `width` → `width`.
    pub(crate) fn load(
        weights: &Weights,
        qkv: [String; 3],
        out: String,
        width: usize,
        heads: usize,
        device: &Device,
    ) -> Result<Self, Error> {
        Ok(Self {
            qkv: Linear::load(weights, &qkv, [width, width], device)?,
            out: Linear::load(weights, &[out], [width, width], device)?,
            heads,
        })
    }

    /// `[B · L, width]` → `[B · L, width]`.
    pub(crate) fn forward(&self, x: Tensor<2>, [b, l]: [usize; 2], mask: &Mask) -> Tensor<2> {
        let width = x.dims()[1];
        let (heads, d) = (self.heads, width / self.heads);
        let joined = self.qkv.forward(x).reshape([b, l, 3 * heads, d]);
        let joined = joined.swap_dims(1, 2); // [B, 3 · heads, L, d]
        let part = |i: usize| joined.clone().slice([0..b, i * heads..(i + 1) * heads]);
        let options = AttentionModuleOptions {
            is_causal: mask.causal,
            ..AttentionModuleOptions::default()
        };
        let hidden = mask.padding.clone();
        let hidden = hidden.map(|mask| mask.expand([b, heads, l, l]));
        let y = attention(part(0), part(1), part(2), hidden, None, options);
        self.out.forward(y.swap_dims(1, 2).reshape([b * l, width]))
    }
}
