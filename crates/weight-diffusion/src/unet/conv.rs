//! 1-D convolution and group norm on channels-last sequences `[B, L, C]`.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{DType, Tensor};

use super::init::Init;
use super::precision::like;

/// Convolution of kernel 3, stride 1, zero padding 1, as one matrix product over the three
/// shifted inputs laid side by side: `[B·L, 3C] × [3C, C']`.
///
/// Equal to `conv1d` with PyTorch's weight `[C', C, 3]` permuted to `[3, C, C']`; on CPUs the
/// matrix product is several times faster than a convolution kernel, and no transposes are needed
/// between convolutions, norms and attention.
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

    /// `[B, L, C]` → `[B, L, C']`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, channels] = x.dims();
        let zeros = like(Tensor::zeros([batch, 1, channels], &x.device()), x.dtype());
        let (left, right) = if length > 1 {
            (
                Tensor::cat(vec![zeros.clone(), x.clone().narrow(1, 0, length - 1)], 1),
                Tensor::cat(vec![x.clone().narrow(1, 1, length - 1), zeros], 1),
            )
        } else {
            (zeros.clone(), zeros)
        };
        self.linear.forward(Tensor::cat(vec![left, x, right], 2))
    }
}

/// Group norm (Wu and He 2018) over `[B, L, C]`, followed by an optional FiLM scale and shift;
/// both are folded into one multiply-add over the sequence.
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

    /// `norm(x)·(1 + scale) + shift` with `film` = (scale, shift), each `[B, 1, C]`.
    pub(crate) fn forward(&self, x: Tensor<3>, film: Option<(Tensor<3>, Tensor<3>)>) -> Tensor<3> {
        // Sums of squares need more digits than 16-bit floats have.
        let dtype = x.dtype();
        let x = like(x, DType::F32);
        let [batch, _, channels] = x.dims();
        let per_group = channels / self.groups;
        // Mean of each group, spread over its channels: [B, 1, C] → [B, G, C/G] → [B, 1, C].
        let group_mean = |value: Tensor<3>| {
            value
                .reshape([batch, self.groups, per_group])
                .mean_dim(2)
                .expand([batch, self.groups, per_group])
                .reshape([batch, 1, channels])
        };
        let centred = x.clone() - group_mean(x.mean_dim(1));
        let variance = group_mean(centred.clone().square().mean_dim(1));
        let inverse = variance.add_scalar(1e-5).sqrt().recip();
        let gamma = like(self.gamma.val(), DType::F32).reshape([1, 1, channels]);
        let beta = like(self.beta.val(), DType::F32).reshape([1, 1, channels]);
        let normed = match film {
            None => centred * (inverse * gamma) + beta,
            Some((scale, shift)) => {
                let scale = like(scale, DType::F32).add_scalar(1.0);
                let shift = like(shift, DType::F32);
                centred * (inverse * gamma * scale.clone()) + (beta * scale + shift)
            }
        };
        like(normed, dtype)
    }
}
