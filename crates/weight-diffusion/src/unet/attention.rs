//! Transformer block: self-attention, cross-attention to the text, gated feed-forward.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Tensor};
use fused_ops::GatedFeedForward;

use super::conv::{layer_norm, project};
use super::init::Init;
use super::precision::like;

/// The prompt as the cross-attentions see it: tokens `[B or 1, L, C]` and an additive mask
/// `[B or 1, L]`, 0 for a real token and a large negative number for padding.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) tokens: Tensor<3>,
    pub(super) bias: Tensor<2>,
}

impl Context {
    pub(super) fn new(tokens: Tensor<3>, mask: Tensor<2, Bool>) -> Self {
        let bias = like(mask.bool_not().float().mul_scalar(-1e9), tokens.dtype());
        Self { tokens, bias }
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

    /// `x` `[B, L, C]` attends to `to` `[B, M, K]`, or `[1, M, K]` for all; `residual` is added.
    fn forward(
        &self,
        x: Tensor<3>,
        to: Tensor<3>,
        bias: Option<Tensor<2>>,
        residual: Tensor<3>,
    ) -> Tensor<3> {
        let query = project(&self.query, x, None);
        let key = project(&self.key, to.clone(), None);
        let value = project(&self.value, to, None);
        let mixed = fused_ops::attention(query, key, value, bias, self.heads);
        project(&self.output, mixed, Some(residual))
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
        let own = layer_norm(&self.norm_self, x.clone());
        let x = self.attention_self.forward(own.clone(), own, None, x);
        let query = layer_norm(&self.norm_cross, x.clone());
        let (tokens, bias) = (context.tokens.clone(), context.bias.clone());
        let x = self.attention_cross.forward(query, tokens, Some(bias), x);
        let value = |bias: &Option<Param<Tensor<1>>>, linear: &Linear| match bias {
            Some(bias) => bias.val(),
            None => Tensor::zeros([linear.weight.dims()[1]], &linear.weight.device()),
        };
        let weights = GatedFeedForward {
            input: self.ff_in.weight.val(),
            input_bias: value(&self.ff_in.bias, &self.ff_in),
            output: self.ff_out.weight.val(),
            output_bias: value(&self.ff_out.bias, &self.ff_out),
        };
        let own = layer_norm(&self.norm_ff, x.clone());
        fused_ops::gated_feed_forward(own, &weights, x)
    }
}
