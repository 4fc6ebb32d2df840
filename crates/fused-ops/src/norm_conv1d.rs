//! Group norm → SiLU → convolution along a sequence, channels last.

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
/// and writes the output only; its backward pass computes the activations anew.
///
/// # Panics
/// As the tensor operations do where shapes do not fit.
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

#[cfg(feature = "flex")]
mod kernel {
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use super::{EPSILON, GroupNorm};
    use crate::kernel::{
        Accumulate, Dense, Input, Kernel, Matrix, MatrixMut, apply, column_sums, multiply, preset,
        sigmoid, transposed_product, vectorized,
    };

    #[derive(Clone, Debug)]
    struct NormConv {
        batch: usize,
        length: usize,
        channels: usize,
        outputs: usize,
        groups: usize,
        taps: usize,
        film: bool,
        bias: bool,
        residual: bool,
    }

    pub(super) fn run(
        x: &Tensor<3>,
        norm: &GroupNorm,
        weight: &Tensor<2>,
        bias: Option<&Tensor<1>>,
        residual: Option<&Tensor<3>>,
    ) -> Option<Tensor<3>> {
        let [batch, length, channels] = x.dims();
        let [rows, outputs] = weight.dims();
        let kernel = NormConv {
            batch,
            length,
            channels,
            outputs,
            groups: norm.groups,
            taps: rows / channels.max(1),
            film: norm.film.is_some(),
            bias: bias.is_some(),
            residual: residual.is_some(),
        };
        let fits = [batch, length, channels, outputs, norm.groups]
            .iter()
            .all(|size| *size > 0)
            && channels.is_multiple_of(norm.groups)
            && [channels, 3 * channels].contains(&rows)
            && norm.gamma.dims() == [channels]
            && norm.beta.dims() == [channels]
            && bias.is_none_or(|bias| bias.dims() == [outputs])
            && residual.is_none_or(|residual| residual.dims() == [batch, length, outputs])
            && (norm.film.as_ref()).is_none_or(|(scale, shift)| {
                scale.dims() == [batch, 1, channels] && shift.dims() == [batch, 1, channels]
            });
        if !fits {
            return None;
        }
        let mut tensors = vec![
            Input::of(x),
            Input::of(weight),
            Input::of(&norm.gamma),
            Input::of(&norm.beta),
        ];
        if let Some((scale, shift)) = &norm.film {
            tensors.extend([Input::of(scale), Input::of(shift)]);
        }
        tensors.extend(bias.map(Input::of));
        tensors.extend(residual.map(Input::of));
        apply(kernel, tensors)
    }

    /// What the norm does to one sequence, per channel: `(x − mean)·factor + offset`.
    struct Affine {
        mean: Vec<f32>,
        inverse: Vec<f32>,
        factor: Vec<f32>,
        offset: Vec<f32>,
    }

    impl NormConv {
        fn bias_at(&self) -> usize {
            if self.film { 6 } else { 4 }
        }

        fn residual_at(&self) -> usize {
            self.bias_at() + usize::from(self.bias)
        }

        /// Rows of zeros before and after each sequence.
        fn padding(&self) -> usize {
            (self.taps - 1) / 2
        }

        /// Values of one sequence with its padding.
        fn padded(&self) -> usize {
            (self.length + 2 * self.padding()) * self.channels
        }

        /// FiLM's 1 + scale and shift of sequence `b`.
        fn film<'a>(&self, inputs: &'a [Dense], b: usize) -> Option<(&'a [f32], &'a [f32])> {
            let row = b * self.channels..(b + 1) * self.channels;
            (self.film).then(|| (&inputs[4].values()[row.clone()], &inputs[5].values()[row]))
        }

        fn affine(&self, inputs: &[Dense], x: &[f32], b: usize) -> Affine {
            let (channels, groups) = (self.channels, self.groups);
            let per_group = channels / groups;
            let count = (self.length * per_group) as f32;
            // Over the sequence first, then over the channels of a group.
            let spread = |sums: &[f32]| -> Vec<f32> {
                (sums.chunks_exact(per_group))
                    .flat_map(|group| {
                        let mean = group.iter().sum::<f32>() / count;
                        std::iter::repeat_n(mean, per_group)
                    })
                    .collect()
            };
            let mut sums = vec![0.0f32; channels];
            vectorized(
                #[inline(always)]
                || {
                    for row in x.chunks_exact(channels) {
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum += value;
                        }
                    }
                },
            );
            let mean = spread(&sums);
            sums.fill(0.0);
            vectorized(
                #[inline(always)]
                || {
                    for row in x.chunks_exact(channels) {
                        for ((sum, value), mean) in sums.iter_mut().zip(row).zip(&mean) {
                            let centred = value - mean;
                            *sum = centred.mul_add(centred, *sum);
                        }
                    }
                },
            );
            let inverse: Vec<f32> = (spread(&sums).into_iter())
                .map(|variance| 1.0 / (variance + EPSILON as f32).sqrt())
                .collect();
            let (gamma, beta) = (inputs[2].values(), inputs[3].values());
            let film = self.film(inputs, b);
            let one_plus = |c: usize| film.map_or(1.0, |(scale, _)| 1.0 + scale[c]);
            let factor = (0..channels).map(|c| inverse[c] * gamma[c] * one_plus(c));
            let offset = (0..channels)
                .map(|c| beta[c] * one_plus(c) + film.map_or(0.0, |(_, shift)| shift[c]));
            Affine {
                factor: factor.collect(),
                offset: offset.collect(),
                mean,
                inverse,
            }
        }

        /// silu(norm(x)) into the rows of `to` between its padding.
        fn activate(&self, x: &[f32], affine: &Affine, to: &mut [f32]) {
            let channels = self.channels;
            let inner = self.padding() * channels;
            let to = &mut to[inner..inner + self.length * channels];
            let Affine {
                mean,
                factor,
                offset,
                ..
            } = affine;
            let (mean, factor, offset) =
                (&mean[..channels], &factor[..channels], &offset[..channels]);
            vectorized(
                #[inline(always)]
                || {
                    for (to, x) in to.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        for c in 0..channels {
                            let y = (x[c] - mean[c]).mul_add(factor[c], offset[c]);
                            to[c] = y * sigmoid(y);
                        }
                    }
                },
            );
        }
    }

    impl Kernel for NormConv {
        fn forward(&self, inputs: &[Dense], _keep: bool) -> (Dense, Vec<Dense>) {
            let (length, channels, outputs) = (self.length, self.channels, self.outputs);
            let (x, weight) = (inputs[0].values(), inputs[1].values());
            let bias = self.bias.then(|| inputs[self.bias_at()].values());
            let residual = self.residual.then(|| inputs[self.residual_at()].values());
            let mut y = vec![0.0; self.batch * length * outputs];
            y.par_chunks_mut(length * outputs)
                .enumerate()
                .for_each_init(
                    || vec![0.0; self.padded()],
                    |padded, (b, y)| {
                        let x = &x[b * length * channels..][..length * channels];
                        self.activate(x, &self.affine(inputs, x, b), padded);
                        let residual = residual.map(|residual| &residual[b * y.len()..][..y.len()]);
                        let accumulate = preset(y, bias, residual);
                        let width = self.taps * channels;
                        multiply(
                            MatrixMut::new(y, length, outputs, outputs),
                            // Rows overlap: a row is a position with its neighbours.
                            Matrix::new(padded, length, width, channels),
                            Matrix::new(weight, width, outputs, outputs),
                            1.0,
                            accumulate,
                        );
                    },
                );
            (Dense::new(y, &[self.batch, length, outputs]), Vec::new())
        }

        fn backward(
            &self,
            inputs: &[Dense],
            _kept: &[Dense],
            gradient: &Dense,
            wanted: &[bool],
        ) -> Vec<Option<Dense>> {
            let (batch, length, channels, outputs) =
                (self.batch, self.length, self.channels, self.outputs);
            let (x, weight) = (inputs[0].values(), inputs[1].values());
            let (taps, pad) = (self.taps, self.padding());
            let dy = gradient.values();
            let mut gradients = vec![None; inputs.len()];
            if self.bias && wanted[self.bias_at()] {
                let sums = column_sums(dy, outputs);
                gradients[self.bias_at()] = Some(Dense::new(sums, &[outputs]));
            }
            if self.residual && wanted[self.residual_at()] {
                gradients[self.residual_at()] = Some(gradient.clone());
            }

            // The gradient with the same padding: zeros keep the sequences apart.
            let padded_rows = length + 2 * pad;
            let mut dy_padded = vec![0.0; batch * padded_rows * outputs];
            (dy_padded.par_chunks_mut(padded_rows * outputs).enumerate()).for_each(|(b, to)| {
                to[pad * outputs..(pad + length) * outputs]
                    .copy_from_slice(&dy[b * length * outputs..][..length * outputs]);
            });
            // Taps in reverse, each transposed: [taps·C', C].
            let mut flipped = vec![0.0; taps * outputs * channels];
            for (tap, block) in flipped.chunks_exact_mut(outputs * channels).enumerate() {
                let from = &weight[(taps - 1 - tap) * channels * outputs..][..channels * outputs];
                for (o, row) in block.chunks_exact_mut(channels).enumerate() {
                    for (c, value) in row.iter_mut().enumerate() {
                        *value = from[c * outputs + o];
                    }
                }
            }

            let mut active = vec![0.0; batch * self.padded()];
            let mut dx = vec![0.0; batch * length * channels];
            // Per sequence and channel: Σ dn and Σ dn·x̂, of the gradient dn of what the norm gives.
            let mut sums = vec![0.0; batch * 2 * channels];
            (active.par_chunks_mut(self.padded()))
                .zip(dx.par_chunks_mut(length * channels))
                .zip(sums.par_chunks_mut(2 * channels))
                .enumerate()
                .for_each(|(b, ((active, dx), sums))| {
                    let x = &x[b * length * channels..][..length * channels];
                    let affine = self.affine(inputs, x, b);
                    self.activate(x, &affine, active);
                    let width = taps * outputs;
                    multiply(
                        MatrixMut::new(dx, length, channels, channels),
                        Matrix::new(
                            &dy_padded[b * padded_rows * outputs..],
                            length,
                            width,
                            outputs,
                        ),
                        Matrix::new(&flipped, width, channels, channels),
                        1.0,
                        Accumulate::Replace,
                    );
                    self.through_norm(inputs, x, b, &affine, dx, sums);
                });

            if wanted[1] {
                // All sequences in one product: padding in both keeps them from mixing.
                let rows = batch * padded_rows - 2 * pad;
                let mut dw = Vec::with_capacity(taps * channels * outputs);
                for tap in 0..taps {
                    dw.extend(transposed_product(
                        &active[tap * channels..],
                        &dy_padded[pad * outputs..],
                        rows,
                        channels,
                        outputs,
                    ));
                }
                gradients[1] = Some(Dense::new(dw, &[taps * channels, outputs]));
            }
            self.parameter_gradients(inputs, &sums, wanted, &mut gradients);
            if wanted[0] {
                gradients[0] = Some(Dense::new(dx, &[batch, length, channels]));
            }
            gradients
        }
    }

    impl NormConv {
        /// From the gradient of the activations to that of `x`, in place.
        fn through_norm(
            &self,
            inputs: &[Dense],
            x: &[f32],
            b: usize,
            affine: &Affine,
            d: &mut [f32],
            sums: &mut [f32],
        ) {
            let channels = self.channels;
            let Affine {
                mean,
                inverse,
                factor,
                offset,
            } = affine;
            let (mean, inverse) = (&mean[..channels], &inverse[..channels]);
            let (factor, offset) = (&factor[..channels], &offset[..channels]);
            let (plain, with_x) = sums.split_at_mut(channels);
            vectorized(
                #[inline(always)]
                || {
                    for (d, x) in d.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        for c in 0..channels {
                            let centred = x[c] - mean[c];
                            let y = centred.mul_add(factor[c], offset[c]);
                            let s = sigmoid(y);
                            let dn = d[c] * s * (y * (1.0 - s) + 1.0);
                            d[c] = dn;
                            plain[c] += dn;
                            with_x[c] = dn.mul_add(centred * inverse[c], with_x[c]);
                        }
                    }
                },
            );
            // dx = inverse·(dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂)) over each group, with dx̂ = dn·γ·(1 + scale).
            let gamma = inputs[2].values();
            let film = self.film(inputs, b);
            let per_group = channels / self.groups;
            let count = (self.length * per_group) as f32;
            let mut slope = vec![0.0; channels];
            let mut constant = vec![0.0; channels];
            let gain: Vec<f32> = (0..channels)
                .map(|c| gamma[c] * film.map_or(1.0, |(scale, _)| 1.0 + scale[c]))
                .collect();
            for group in 0..self.groups {
                let range = group * per_group..(group + 1) * per_group;
                let mean_of = |sums: &[f32]| -> f32 {
                    range.clone().map(|c| gain[c] * sums[c]).sum::<f32>() / count
                };
                let (first, second) = (mean_of(plain), mean_of(with_x));
                for c in range.clone() {
                    constant[c] = inverse[c] * first;
                    slope[c] = inverse[c] * inverse[c] * second;
                }
            }
            let (slope, constant) = (&slope[..channels], &constant[..channels]);
            vectorized(
                #[inline(always)]
                || {
                    for (d, x) in d.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                        for c in 0..channels {
                            let direct = d[c].mul_add(factor[c], -constant[c]);
                            d[c] = direct - (x[c] - mean[c]) * slope[c];
                        }
                    }
                },
            );
        }

        fn parameter_gradients(
            &self,
            inputs: &[Dense],
            sums: &[f32],
            wanted: &[bool],
            gradients: &mut [Option<Dense>],
        ) {
            let (batch, channels) = (self.batch, self.channels);
            let (gamma, beta) = (inputs[2].values(), inputs[3].values());
            let mut dgamma = vec![0.0; channels];
            let mut dbeta = vec![0.0; channels];
            let mut dscale = Vec::new();
            let mut dshift = Vec::new();
            for (b, sums) in sums.chunks_exact(2 * channels).enumerate() {
                let (plain, with_x) = sums.split_at(channels);
                let film = self.film(inputs, b);
                for c in 0..channels {
                    let one_plus = film.map_or(1.0, |(scale, _)| 1.0 + scale[c]);
                    dgamma[c] += one_plus * with_x[c];
                    dbeta[c] += one_plus * plain[c];
                }
                if self.film {
                    dscale.extend((0..channels).map(|c| gamma[c] * with_x[c] + beta[c] * plain[c]));
                    dshift.extend_from_slice(plain);
                }
            }
            if wanted[2] {
                gradients[2] = Some(Dense::new(dgamma, &[channels]));
            }
            if wanted[3] {
                gradients[3] = Some(Dense::new(dbeta, &[channels]));
            }
            if self.film && wanted[4] {
                gradients[4] = Some(Dense::new(dscale, &[batch, 1, channels]));
            }
            if self.film && wanted[5] {
                gradients[5] = Some(Dense::new(dshift, &[batch, 1, channels]));
            }
        }
    }
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
