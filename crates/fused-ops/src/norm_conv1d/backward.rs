//! The backward pass: recompute the activations, go back through the convolution, then through the norm.

use rayon::prelude::*;

use super::kernel::{Affine, Film, NormConv, NormConvInputs};
use crate::kernel::{
    Accumulate, Dense, Matrix, MatrixMut, column_sums, multiply, sigmoid, transposed_product,
    vectorized,
};

impl NormConv {
    /// Gradients of the inputs, from that of the output.
    pub(super) fn gradients(
        &self,
        inputs: &NormConvInputs<Dense>,
        gradient: &Dense,
        wanted: &NormConvInputs<bool>,
    ) -> NormConvInputs<Option<Dense>> {
        let (batch, length, channels) = (self.batch, self.length, self.channels);
        let (outputs, taps) = (self.outputs, self.taps);
        let padded_rows = length + 2 * self.padding();
        let dy = self.padded_gradient(gradient.values());
        let flipped = self.flipped_weight(inputs.weight.values());

        let mut active = vec![0.0; batch * self.padded()];
        let mut dx = vec![0.0; batch * length * channels];
        // Per sequence and channel: Σ dn and Σ dn·x̂, of the gradient dn of what the norm gives.
        let mut sums = vec![0.0; batch * 2 * channels];
        (active.par_chunks_mut(self.padded()))
            .zip(dx.par_chunks_mut(length * channels))
            .zip(sums.par_chunks_mut(2 * channels))
            .enumerate()
            .for_each(|(b, ((active, dx), sums))| {
                let x = &inputs.x.values()[b * length * channels..][..length * channels];
                let affine = self.affine(inputs, x, b);
                self.activate(x, &affine, active);
                let width = taps * outputs;
                multiply(
                    MatrixMut::new(dx, length, channels, channels),
                    Matrix::new(&dy[b * padded_rows * outputs..], length, width, outputs),
                    Matrix::new(&flipped, width, channels, channels),
                    1.0,
                    Accumulate::Replace,
                );
                self.through_silu(x, &affine, dx, sums);
                self.through_norm(inputs, x, b, &affine, dx, sums);
            });

        let of_norm = self.norm_gradients(inputs, &sums);
        let when = |wanted: bool, values: Vec<f32>, dims: &[usize]| {
            wanted.then(|| Dense::new(values, dims))
        };
        NormConvInputs {
            weight: (wanted.weight).then(|| self.weight_gradient(&active, &dy)),
            x: when(wanted.x, dx, &[batch, length, channels]),
            gamma: when(wanted.gamma, of_norm.gamma, &[channels]),
            beta: when(wanted.beta, of_norm.beta, &[channels]),
            film: wanted.film.as_ref().map(|wanted| Film {
                scale: when(wanted.scale, of_norm.scale, &[batch, 1, channels]),
                shift: when(wanted.shift, of_norm.shift, &[batch, 1, channels]),
            }),
            bias: (wanted.bias).map(|wanted| {
                wanted.then(|| Dense::new(column_sums(gradient.values(), outputs), &[outputs]))
            }),
            residual: wanted
                .residual
                .map(|wanted| wanted.then(|| gradient.clone())),
        }
    }

    /// The output's gradient with the padding of the input: zeros keep the sequences apart.
    fn padded_gradient(&self, dy: &[f32]) -> Vec<f32> {
        let (length, outputs, pad) = (self.length, self.outputs, self.padding());
        let rows = length + 2 * pad;
        let mut padded = vec![0.0; self.batch * rows * outputs];
        (padded.par_chunks_mut(rows * outputs).enumerate()).for_each(|(b, to)| {
            to[pad * outputs..(pad + length) * outputs]
                .copy_from_slice(&dy[b * length * outputs..][..length * outputs]);
        });
        padded
    }

    /// The weight's taps in reverse, each transposed: `[taps·C', C]`.
    fn flipped_weight(&self, weight: &[f32]) -> Vec<f32> {
        let (channels, outputs, taps) = (self.channels, self.outputs, self.taps);
        let mut flipped = vec![0.0; taps * outputs * channels];
        for (tap, block) in flipped.chunks_exact_mut(outputs * channels).enumerate() {
            let from = &weight[(taps - 1 - tap) * channels * outputs..][..channels * outputs];
            for (o, row) in block.chunks_exact_mut(channels).enumerate() {
                for (c, value) in row.iter_mut().enumerate() {
                    *value = from[c * outputs + o];
                }
            }
        }
        flipped
    }

    /// The gradient of the weight, for all sequences in one product: the padding in both `active` and `dy` keeps them from mixing.
    fn weight_gradient(&self, active: &[f32], dy: &[f32]) -> Dense {
        let (channels, outputs, pad) = (self.channels, self.outputs, self.padding());
        let rows = self.batch * (self.length + 2 * pad) - 2 * pad;
        let mut dw = Vec::with_capacity(self.taps * channels * outputs);
        for tap in 0..self.taps {
            dw.extend(transposed_product(
                &active[tap * channels..],
                &dy[pad * outputs..],
                rows,
                channels,
                outputs,
            ));
        }
        Dense::new(dw, &[self.taps * channels, outputs])
    }

    /// Turns the gradient of the activations into that of the norm's output, in place. `sums` becomes Σ dn and Σ dn·x̂.
    fn through_silu(&self, x: &[f32], affine: &Affine, d: &mut [f32], sums: &mut [f32]) {
        let channels = self.channels;
        let (mean, inverse) = (&affine.mean[..channels], &affine.inverse[..channels]);
        let (factor, offset) = (&affine.factor[..channels], &affine.offset[..channels]);
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
    }

    /// Turns the gradient of the norm's output into that of `x`, in place:
    /// dx = inverse·(dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂)) over each group, with dx̂ = dn·γ·(1 + scale).
    fn through_norm(
        &self,
        inputs: &NormConvInputs<Dense>,
        x: &[f32],
        b: usize,
        affine: &Affine,
        d: &mut [f32],
        sums: &[f32],
    ) {
        let channels = self.channels;
        let (mean, inverse) = (&affine.mean[..channels], &affine.inverse[..channels]);
        let factor = &affine.factor[..channels];
        let (plain, with_x) = sums.split_at(channels);
        let gamma = inputs.gamma.values();
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

    /// Gradients of γ, β and FiLM's scale and shift, from the sums over each sequence.
    fn norm_gradients(&self, inputs: &NormConvInputs<Dense>, sums: &[f32]) -> NormGradients {
        let channels = self.channels;
        let (gamma, beta) = (inputs.gamma.values(), inputs.beta.values());
        let mut of = NormGradients {
            gamma: vec![0.0; channels],
            beta: vec![0.0; channels],
            scale: Vec::new(),
            shift: Vec::new(),
        };
        for (b, sums) in sums.chunks_exact(2 * channels).enumerate() {
            let (plain, with_x) = sums.split_at(channels);
            let film = self.film(inputs, b);
            for c in 0..channels {
                let one_plus = film.map_or(1.0, |(scale, _)| 1.0 + scale[c]);
                of.gamma[c] += one_plus * with_x[c];
                of.beta[c] += one_plus * plain[c];
            }
            if film.is_some() {
                let scale = (0..channels).map(|c| gamma[c] * with_x[c] + beta[c] * plain[c]);
                of.scale.extend(scale);
                of.shift.extend_from_slice(plain);
            }
        }
        of
    }
}

/// γ and β `[C]`; scale and shift `[B, C]`, empty without FiLM.
struct NormGradients {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}
