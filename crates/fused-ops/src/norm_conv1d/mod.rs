//! Group norm → SiLU → convolution along a sequence, channels last.

#[cfg(feature = "flex")]
mod backward;
#[cfg(feature = "flex")]
mod kernel;

use burn::tensor::activation::silu;
use burn::tensor::{DType, FloatDType, Tensor};

/// Added to variances, as PyTorch's norms do.
const EPSILON: f64 = 1e-5;

/// Parameters of a group norm over `[B, L, C]` (Wu and He 2018), ε = 1e-5.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    /// γ `[C]`.
    pub gamma: Tensor<1>,
    /// β `[C]`.
    pub beta: Tensor<1>,
    /// Number of groups; divides C.
    pub groups: usize,
    /// Scale and shift `[B, 1, C]` each (FiLM): `norm(x)·(1 + scale) + shift`.
    pub film: Option<(Tensor<3>, Tensor<3>)>,
}

/// `conv(silu(norm(x))) + bias + residual` of `x` `[B, L, C]` → `[B, L, C']`.
///
/// `weight` `[3·C, C']` is a convolution of kernel 3 with zero padding (taps laid one after another:
/// PyTorch's `[C', C, 3]` permuted to `[3, C, C']`), `weight` `[C, C']` one of kernel 1; `residual` is
/// `[B, L, C']`.
///
/// Composed: mean and variance of each group over L and C/G, multiply-add, SiLU, the three shifted
/// inputs side by side, matrix product, additions. The kernel keeps one sequence at a time in the cache
/// and writes only the output; its backward pass recomputes the activations.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn norm_silu_conv1d(
    x: Tensor<3>,
    norm: &GroupNorm,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<3>>,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&x, norm, &weight, bias.as_ref(), residual.as_ref()) {
        return y;
    }
    composed(x, norm, weight, bias, residual)
}

fn composed(
    x: Tensor<3>,
    norm: &GroupNorm,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<3>>,
) -> Tensor<3> {
    let taps = weight.dims()[0] / x.dims()[2];
    let active = silu(normalize(x, norm));
    let wide = if taps == 1 { active } else { shifted(active) };
    crate::linear(wide, weight, bias, residual)
}

/// The norm alone. Sums of squares need more digits than 16-bit floats have.
fn normalize(x: Tensor<3>, norm: &GroupNorm) -> Tensor<3> {
    let dtype = x.dtype();
    if dtype != DType::F32 {
        let wide = GroupNorm {
            gamma: norm.gamma.clone().cast(FloatDType::F32),
            beta: norm.beta.clone().cast(FloatDType::F32),
            groups: norm.groups,
            film: (norm.film.clone())
                .map(|(scale, shift)| (scale.cast(FloatDType::F32), shift.cast(FloatDType::F32))),
        };
        return normalize(x.cast(FloatDType::F32), &wide).cast(FloatDType::from(dtype));
    }
    let [batch, _, channels] = x.dims();
    let per_group = channels / norm.groups;
    // Mean of each group, spread over its channels: [B, 1, C] → [B, G, C/G] → [B, 1, C].
    let group_mean = |value: Tensor<3>| {
        value
            .reshape([batch, norm.groups, per_group])
            .mean_dim(2)
            .expand([batch, norm.groups, per_group])
            .reshape([batch, 1, channels])
    };
    let centred = x.clone() - group_mean(x.mean_dim(1));
    let variance = group_mean(centred.clone().square().mean_dim(1));
    let inverse = variance.add_scalar(EPSILON).sqrt().recip();
    let gamma = norm.gamma.clone().reshape([1, 1, channels]);
    let beta = norm.beta.clone().reshape([1, 1, channels]);
    match norm.film.clone() {
        None => centred * (inverse * gamma) + beta,
        Some((scale, shift)) => {
            let scale = scale.add_scalar(1.0);
            centred * (inverse * gamma * scale.clone()) + (beta * scale + shift)
        }
    }
}

/// Left neighbour, the value, right neighbour: `[B, L, C]` → `[B, L, 3C]`.
fn shifted(x: Tensor<3>) -> Tensor<3> {
    let length = x.dims()[1];
    let zeros = x.clone().narrow(1, 0, 1).zeros_like();
    let (left, right) = if length > 1 {
        (
            Tensor::cat(vec![zeros.clone(), x.clone().narrow(1, 0, length - 1)], 1),
            Tensor::cat(vec![x.clone().narrow(1, 1, length - 1), zeros], 1),
        )
    } else {
        (zeros.clone(), zeros)
    };
    Tensor::cat(vec![left, x, right], 2)
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::conv::Conv1dConfig;
    use burn::nn::{GroupNormConfig, PaddingConfig1d};
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{close, compare, random};

    #[test]
    fn kernel_and_composition_agree() {
        // Two values of a group alone would leave gradients that are nothing but rounding.
        let (channels, outputs, groups) = (12, 5, 3);
        for (batch, length, taps) in [(3, 9, 3), (2, 4, 1), (2, 1, 3)] {
            for (film, bias, residual) in [
                (true, true, true),
                (false, true, false),
                (true, false, true),
                (false, false, false),
            ] {
                let layer = |kernel: bool| {
                    move |t: &[Tensor<1>]| {
                        let wide = |i: usize, shape: [usize; 3]| t[i].clone().reshape(shape);
                        let x = wide(0, [batch, length, channels]);
                        let weight = t[1].clone().reshape([taps * channels, outputs]);
                        let norm = GroupNorm {
                            gamma: t[2].clone(),
                            beta: t[3].clone(),
                            groups,
                            film: film.then(|| {
                                let shape = [batch, 1, channels];
                                (wide(4, shape), wide(5, shape))
                            }),
                        };
                        let bias = bias.then(|| t[6].clone());
                        let residual = residual.then(|| wide(7, [batch, length, outputs]));
                        let layer = if kernel { norm_silu_conv1d } else { composed };
                        layer(x, &norm, weight, bias, residual).flatten::<1>(0, 2)
                    }
                };
                let lengths = [
                    batch * length * channels,
                    taps * channels * outputs,
                    channels,
                    channels,
                    batch * channels,
                    batch * channels,
                    outputs,
                    batch * length * outputs,
                ];
                let used = [true, true, true, true, film, film, bias, residual];
                compare(&lengths, &used, layer(true), layer(false));
            }
        }
    }

    /// Against Burn's own layers, which are channels first.
    #[test]
    fn is_group_norm_silu_and_convolution() {
        let device = Device::flex();
        for length in [1usize, 2, 7] {
            let x = random([2, length, 12], 1);
            let mut norm = GroupNormConfig::new(4, 12).init(&device);
            let mut conv = Conv1dConfig::new(12, 5, 3)
                .with_padding(PaddingConfig1d::Explicit(1, 1))
                .init(&device);
            let (gamma, beta, bias) = (random([12], 2), random([12], 3), random([5], 4));
            let weight = random([36, 5], 5);
            norm.gamma = Some(Param::from_tensor(gamma.clone()));
            norm.beta = Some(Param::from_tensor(beta.clone()));
            conv.weight = Param::from_tensor(weight.clone().reshape([3, 12, 5]).permute([2, 1, 0]));
            conv.bias = Some(Param::from_tensor(bias.clone()));
            let (scale, shift) = (random([2, 12], 6), random([2, 12], 7));
            for film in [false, true] {
                let normed = norm.forward(x.clone().swap_dims(1, 2));
                let film = film.then(|| (scale.clone(), shift.clone()));
                let normed = match film.clone() {
                    None => normed,
                    Some((scale, shift)) => {
                        normed * scale.add_scalar(1.0).reshape([2, 12, 1])
                            + shift.reshape([2, 12, 1])
                    }
                };
                let expected = conv.forward(silu(normed)).swap_dims(1, 2);
                let norm = GroupNorm {
                    gamma: gamma.clone(),
                    beta: beta.clone(),
                    groups: 4,
                    film: film.map(|(a, b)| (a.reshape([2, 1, 12]), b.reshape([2, 1, 12]))),
                };
                for layer in [norm_silu_conv1d, composed] {
                    let found = layer(x.clone(), &norm, weight.clone(), Some(bias.clone()), None);
                    let flat = |y: Tensor<3>| y.flatten::<1>(0, 2);
                    close("output", flat(found), flat(expected.clone()));
                }
            }
        }
    }
}
