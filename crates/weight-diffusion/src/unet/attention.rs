//! Transformer block: self-attention, cross-attention to the text, gated feed-forward.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Bool, Tensor};

use super::init::Init;

/// The prompt as the cross-attentions see it: tokens `[B or 1, L, C]` and an additive mask
/// `[B or 1, 1, 1, L]`, 0 for a real token and a large negative number for padding.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) tokens: Tensor<3>,
    pub(super) bias: Tensor<4>,
}

impl Context {
    pub(super) fn new(tokens: Tensor<3>, mask: Tensor<2, Bool>) -> Self {
        let [batch, length] = mask.dims();
        let bias = mask.bool_not().float().mul_scalar(-1e9);
        Self {
            tokens,
            bias: bias.reshape([batch, 1, 1, length]),
        }
    }

    /// The same values as a constant.
    pub(super) fn detach(self) -> Self {
        Self {
            tokens: self.tokens.detach(),
            bias: self.bias,
        }
    }

    /// Mean of the visible tokens, `[B or 1, C]`.
    pub(super) fn mean(&self) -> Tensor<2> {
        let [batch, length, width] = self.tokens.dims();
        let visible = self.bias.clone().exp().reshape([batch, length, 1]);
        let count = visible.clone().sum_dim(1);
        let sum = (self.tokens.clone() * visible).sum_dim(1);
        (sum / count).reshape([batch, width])
    }
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
}

impl Attention {
    fn new(width: usize, context: usize, heads: usize, init: &mut Init) -> Self {
        Self {
            query: init.linear_no_bias(width, width),
            key: init.linear_no_bias(context, width),
            value: init.linear_no_bias(context, width),
            output: init.linear(width, width),
            heads,
        }
    }

    /// `x` `[B, L, C]` attends to `to` `[B, M, K]`, or `[1, M, K]`: then the queries of the whole
    /// batch are one long sequence and keys and values are never copied.
    fn forward(&self, x: Tensor<3>, to: Tensor<3>, bias: Option<Tensor<4>>) -> Tensor<3> {
        let [batch, length, width] = x.dims();
        let groups = to.dims()[0];
        let shared = groups == 1 && batch > 1;
        let x = if shared {
            x.reshape([1, batch * length, width])
        } else {
            x
        };
        let split = |value: Tensor<3>| {
            let [groups, length, width] = value.dims();
            value
                .reshape([groups, length, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let scale = ((width / self.heads) as f64).powf(-0.5);
        let query = split(self.query.forward(x).mul_scalar(scale));
        let key = split(self.key.forward(to.clone()));
        let value = split(self.value.forward(to));
        let mut scores = query.matmul(key.swap_dims(2, 3));
        if let Some(bias) = bias {
            scores = scores + bias;
        }
        let mixed = softmax(scores, 3)
            .matmul(value)
            .swap_dims(1, 2)
            .reshape([batch, length, width]);
        self.output.forward(mixed)
    }
}

/// Pre-norm transformer block on `[B, L, C]`.
#[derive(Module, Debug)]
pub(super) struct TransformerBlock {
    norm_self: LayerNorm,
    attention_self: Attention,
    norm_cross: LayerNorm,
    attention_cross: Attention,
    norm_ff: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
}

impl TransformerBlock {
    pub(super) fn new(
        width: usize,
        context: usize,
        heads: usize,
        ff_multiplier: usize,
        init: &mut Init,
    ) -> Self {
        Self {
            norm_self: init.layer_norm(width),
            attention_self: Attention::new(width, width, heads, init),
            norm_cross: init.layer_norm(width),
            attention_cross: Attention::new(width, context, heads, init),
            norm_ff: init.layer_norm(width),
            ff_in: init.linear(width, 2 * ff_multiplier * width),
            ff_out: init.linear(ff_multiplier * width, width),
        }
    }

    pub(super) fn forward(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let own = self.norm_self.forward(x.clone());
        let x = x + self.attention_self.forward(own.clone(), own, None);
        let query = self.norm_cross.forward(x.clone());
        let x = x + self.attention_cross.forward(
            query,
            context.tokens.clone(),
            Some(context.bias.clone()),
        );
        let wide = self.ff_in.forward(self.norm_ff.forward(x.clone()));
        let half = wide.dims()[2] / 2;
        let gate = gelu(wide.clone().narrow(2, half, half));
        x + self.ff_out.forward(wide.narrow(2, 0, half) * gate)
    }
}
