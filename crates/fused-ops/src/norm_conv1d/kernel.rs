//! The kernel: one sequence with its padding stays in the cache from the norm to the product.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{EPSILON, GroupNorm};
use crate::kernel::{
    Dense, Input, Kernel, Matrix, MatrixMut, Slot, apply, multiply, preset, sigmoid, vectorized,
};

#[derive(Clone, Debug)]
pub(super) struct NormConv {
    pub(super) batch: usize,
    pub(super) length: usize,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) groups: usize,
    pub(super) taps: usize,
}

#[derive(Clone, Debug)]
pub(super) struct NormConvInputs<T> {
    pub(super) x: T,
    pub(super) weight: T,
    pub(super) gamma: T,
    pub(super) beta: T,
    pub(super) film: Option<Film<T>>,
    pub(super) bias: Option<T>,
    pub(super) residual: Option<T>,
}

#[derive(Clone, Debug)]
pub(super) struct Film<T> {
    pub(super) scale: T,
    pub(super) shift: T,
}

impl<T> NormConvInputs<T> {
    fn map<U>(self, mut f: impl FnMut(T) -> U) -> NormConvInputs<U> {
        NormConvInputs {
            x: f(self.x),
            weight: f(self.weight),
            gamma: f(self.gamma),
            beta: f(self.beta),
            film: self.film.map(|film| Film {
                scale: f(film.scale),
                shift: f(film.shift),
            }),
            bias: self.bias.map(&mut f),
            residual: self.residual.map(&mut f),
        }
    }
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
    let inputs = NormConvInputs {
        x: Input::of(x),
        weight: Input::of(weight),
        gamma: Input::of(&norm.gamma),
        beta: Input::of(&norm.beta),
        film: norm.film.as_ref().map(|(scale, shift)| Film {
            scale: Input::of(scale),
            shift: Input::of(shift),
        }),
        bias: bias.map(Input::of),
        residual: residual.map(Input::of),
    };
    apply(kernel, inputs)
}

/// What the norm does to one sequence, per channel: `(x − mean)·factor + offset`.
pub(super) struct Affine {
    pub(super) mean: Vec<f32>,
    pub(super) inverse: Vec<f32>,
    pub(super) factor: Vec<f32>,
    pub(super) offset: Vec<f32>,
}

impl NormConv {
    /// Rows of zeros before and after each sequence.
    pub(super) fn padding(&self) -> usize {
        (self.taps - 1) / 2
    }

    /// Values of one sequence with its padding.
    pub(super) fn padded(&self) -> usize {
        (self.length + 2 * self.padding()) * self.channels
    }

    /// FiLM's scale and shift of sequence `b`.
    pub(super) fn film<'a>(
        &self,
        inputs: &'a NormConvInputs<Dense>,
        b: usize,
    ) -> Option<(&'a [f32], &'a [f32])> {
        let film = inputs.film.as_ref()?;
        let row = b * self.channels..(b + 1) * self.channels;
        Some((&film.scale.values()[row.clone()], &film.shift.values()[row]))
    }

    pub(super) fn affine(&self, inputs: &NormConvInputs<Dense>, x: &[f32], b: usize) -> Affine {
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
        let (gamma, beta) = (inputs.gamma.values(), inputs.beta.values());
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
    pub(super) fn activate(&self, x: &[f32], affine: &Affine, to: &mut [f32]) {
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
    type Inputs<T: Slot> = NormConvInputs<T>;
    type Kept = ();

    fn map<T: Slot, U: Slot>(
        inputs: NormConvInputs<T>,
        f: impl FnMut(T) -> U,
    ) -> NormConvInputs<U> {
        inputs.map(f)
    }

    fn forward(&self, inputs: &NormConvInputs<Dense>) -> (Dense, ()) {
        let (length, channels, outputs) = (self.length, self.channels, self.outputs);
        let (x, weight) = (inputs.x.values(), inputs.weight.values());
        let bias = inputs.bias.as_ref().map(Dense::values);
        let residual = inputs.residual.as_ref().map(Dense::values);
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
        (Dense::new(y, &[self.batch, length, outputs]), ())
    }

    fn backward(
        &self,
        inputs: &NormConvInputs<Dense>,
        _kept: &(),
        gradient: &Dense,
        wanted: &NormConvInputs<bool>,
    ) -> NormConvInputs<Option<Dense>> {
        self.gradients(inputs, gradient, wanted)
    }
}
