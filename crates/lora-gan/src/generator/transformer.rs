//! The transformer block of the hybrid generator.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Bool, Device, Tensor};
use fused_ops::GatedFeedForward;

use crate::layers::{LinearUnit, Run};

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
    /// `x` attends to `context`; `residual` is added.
    fn forward(
        &self,
        x: Tensor<3>,
        context: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
        residual: Tensor<3>,
        run: &mut Run,
    ) -> Tensor<3> {
        let batch = x.dims()[0];
        let bias = mask.map(|mask| mask.bool_not().float().mul_scalar(-1e9));
        // One text for the whole batch stays one; one mask for several texts is expanded to one each.
        let groups = bias.as_ref().map_or(1, |bias| bias.dims()[0]);
        let [contexts, keys, wide] = context.dims();
        let (context, bias) = if contexts == groups || bias.is_none() {
            (context, bias)
        } else {
            (
                context.expand([batch, keys, wide]),
                bias.map(|bias| bias.expand([batch, keys])),
            )
        };
        let q = self.to_q.forward(x, None, run);
        let k = self.to_k.forward(context.clone(), None, run);
        let v = self.to_v.forward(context, None, run);
        let y = fused_ops::attention(q, k, v, bias, self.heads);
        self.to_out.forward(y, Some(residual), run)
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
    /// A block whose linear layers are still to be drawn.
    pub(crate) fn blank(width: usize, heads: usize, device: &Device) -> Self {
        let linear = || LinearUnit::blank(device);
        let attention = || Attention {
            to_q: linear(),
            to_k: linear(),
            to_v: linear(),
            to_out: linear(),
            heads,
        };
        let norm = || LayerNormConfig::new(width).init(device);
        Self {
            norm1: norm(),
            attn1: attention(),
            norm2: norm(),
            attn2: attention(),
            norm3: norm(),
            ff_in: linear(),
            ff_out: linear(),
        }
    }

    pub(crate) fn forward(
        &self,
        x: Tensor<4>,
        context: Tensor<3>,
        mask: Option<Tensor<2, Bool>>,
        run: &mut Run,
    ) -> Tensor<4> {
        let [batch, width, height, columns] = x.dims();
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2);
        let normed = normalize(&self.norm1, x.clone());
        let x = (self.attn1).forward(normed.clone(), normed, None, x, run);
        let normed = normalize(&self.norm2, x.clone());
        let x = (self.attn2).forward(normed, context, mask, x, run);
        let x = self.feed_forward(x, run);
        x.swap_dims(1, 2).reshape([batch, width, height, columns])
    }

    fn feed_forward(&self, x: Tensor<3>, run: &mut Run) -> Tensor<3> {
        let normed = normalize(&self.norm3, x.clone());
        let biases = (&self.ff_in.bias, &self.ff_out.bias);
        if let (Some(input), Some(output)) = biases
            && !(run.is_adapted() && (self.ff_in.has_dropout() || self.ff_out.has_dropout()))
        {
            let weights = GatedFeedForward {
                input: self.ff_in.factor(run),
                input_bias: input.val(),
                output: self.ff_out.factor(run),
                output_bias: output.val(),
            };
            return fused_ops::gated_feed_forward(normed, &weights, x);
        }
        let hidden = self.ff_in.forward(normed, None, run);
        let half = hidden.dims()[2] / 2;
        let gate = fused_ops::gelu(hidden.clone().narrow(2, half, half));
        let hidden = hidden.narrow(2, 0, half) * gate;
        self.ff_out.forward(hidden, Some(x), run)
    }
}

fn normalize(norm: &LayerNorm, x: Tensor<3>) -> Tensor<3> {
    fused_ops::layer_norm(x, norm.gamma.val(), norm.beta.as_ref().map(Param::val))
}
