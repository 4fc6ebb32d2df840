//! Parameters of the 1-D convolutions and group norms on channels-last sequences `[B, L, C]`.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;
use fused_ops::GroupNorm;

use super::init::Init;

/// Convolution of kernel 3, stride 1, zero padding 1, whose weight is a matrix `[3C, C']`: PyTorch's
/// `[C', C, 3]` permuted to `[3, C, C']`.
#[derive(Module, Debug)]
pub(crate) struct Conv3 {
    pub(crate) linear: Linear,
}

impl Conv3 {
    pub(super) fn new(inputs: usize, outputs: usize, init: &mut Init) -> Self {
        Self {
            linear: init.linear(3 * inputs, outputs),
        }
    }
}

/// Group norm (Wu and He 2018) over `[B, L, C]`.
#[derive(Module, Debug)]
pub(crate) struct GroupNormLast {
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    groups: usize,
}

impl GroupNormLast {
    pub(super) fn new(channels: usize, groups: usize, init: &Init) -> Self {
        Self {
            gamma: init.constant([channels], 1.0),
            beta: init.constant([channels], 0.0),
            groups,
        }
    }

    /// `norm(x)·(1 + scale) + shift` with `film` = (scale, shift), then SiLU and the product with
    /// `linear`, which is a convolution if its weight has three taps.
    pub(crate) fn then(
        &self,
        x: Tensor<3>,
        film: Option<(Tensor<3>, Tensor<3>)>,
        linear: &Linear,
        residual: Option<Tensor<3>>,
    ) -> Tensor<3> {
        let norm = GroupNorm {
            gamma: self.gamma.val(),
            beta: self.beta.val(),
            groups: self.groups,
            film,
        };
        let bias = linear.bias.as_ref().map(Param::val);
        fused_ops::norm_silu_conv1d(x, &norm, linear.weight.val(), bias, residual)
    }
}

/// `linear(x) + residual`.
pub(super) fn project(linear: &Linear, x: Tensor<3>, residual: Option<Tensor<3>>) -> Tensor<3> {
    let bias = linear.bias.as_ref().map(Param::val);
    fused_ops::linear(x, linear.weight.val(), bias, residual)
}

pub(super) fn layer_norm(norm: &LayerNorm, x: Tensor<3>) -> Tensor<3> {
    fused_ops::layer_norm(x, norm.gamma.val(), norm.beta.as_ref().map(Param::val))
}
