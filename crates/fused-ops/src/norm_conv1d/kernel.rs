//! The kernel: one sequence with its padding stays in the cache from the norm to the product.

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
        let offset =
            (0..channels).map(|c| beta[c] * one_plus(c) + film.map_or(0.0, |(_, shift)| shift[c]));
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
        let (mean, factor, offset) = (&mean[..channels], &factor[..channels], &offset[..channels]);
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
