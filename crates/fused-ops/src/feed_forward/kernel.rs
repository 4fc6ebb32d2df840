//! The kernel: the wide values of a tile of rows stay in the cache between the two products.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::GatedFeedForward;
use crate::kernel::{
    Accumulate, Dense, Input, Kernel, Matrix, MatrixMut, Slot, apply, column_sums, gelu,
    gelu_slope, multiply, preset, transposed_product, vectorized,
};

/// Values of the wide layer that a thread works on: half of a mebibyte.
const TILE: usize = 1 << 17;

#[derive(Clone, Debug)]
struct FeedForward {
    dims: [usize; 3],
    inputs: usize,
    hidden: usize,
    outputs: usize,
}

#[derive(Clone, Debug)]
struct FeedForwardInputs<T> {
    x: T,
    input: T,
    input_bias: T,
    output: T,
    output_bias: T,
    residual: T,
}

pub(super) fn run(
    x: &Tensor<3>,
    weights: &GatedFeedForward,
    residual: &Tensor<3>,
) -> Option<Tensor<3>> {
    let [batch, length, inputs] = x.dims();
    let [_, double] = weights.input.dims();
    let [hidden, outputs] = weights.output.dims();
    let fits = weights.input.dims() == [inputs, 2 * hidden]
        && weights.input_bias.dims() == [double]
        && weights.output_bias.dims() == [outputs]
        && residual.dims() == [batch, length, outputs]
        && ![batch, length, inputs, hidden, outputs].contains(&0);
    if !fits {
        return None;
    }
    let kernel = FeedForward {
        dims: [batch, length, outputs],
        inputs,
        hidden,
        outputs,
    };
    let inputs = FeedForwardInputs {
        x: Input::of(x),
        input: Input::of(&weights.input),
        input_bias: Input::of(&weights.input_bias),
        output: Input::of(&weights.output),
        output_bias: Input::of(&weights.output_bias),
        residual: Input::of(residual),
    };
    apply(kernel, inputs)
}

impl FeedForward {
    fn tile_rows(&self) -> usize {
        (TILE / (2 * self.hidden)).clamp(32, 128)
    }

    /// The wide values of some rows of `x`: `x · input + input_bias`.
    fn widen(&self, inputs: &FeedForwardInputs<Dense>, x: &[f32], wide: &mut [f32]) {
        let (k, n) = (self.inputs, 2 * self.hidden);
        let rows = x.len() / k;
        let accumulate = preset(
            &mut wide[..rows * n],
            Some(inputs.input_bias.values()),
            None,
        );
        multiply(
            MatrixMut::new(wide, rows, n, n),
            Matrix::new(x, rows, k, k),
            Matrix::new(inputs.input.values(), k, n, n),
            1.0,
            accumulate,
        );
    }

    /// value · gelu(gate) of rows `[value, gate]`.
    fn gate(&self, wide: &[f32], hidden: &mut [f32]) {
        let n = self.hidden;
        vectorized(
            #[inline(always)]
            || {
                let rows = hidden.chunks_exact_mut(n).zip(wide.chunks_exact(2 * n));
                for (hidden, wide) in rows {
                    let (value, gate) = wide.split_at(n);
                    for ((hidden, value), gate) in hidden.iter_mut().zip(value).zip(gate) {
                        *hidden = value * gelu(*gate);
                    }
                }
            },
        );
    }

    /// Writes to `dwide` the gradient of rows `[value, gate]`, from that in `hidden`, which is replaced by its values.
    fn gate_backward(&self, wide: &[f32], hidden: &mut [f32], dwide: &mut [f32]) {
        let n = self.hidden;
        vectorized(
            #[inline(always)]
            || {
                let rows = (hidden.chunks_exact_mut(n))
                    .zip(dwide.chunks_exact_mut(2 * n))
                    .zip(wide.chunks_exact(2 * n));
                for ((hidden, dwide), wide) in rows {
                    let (value, gate) = wide.split_at(n);
                    let (dvalue, dgate) = dwide.split_at_mut(n);
                    for c in 0..n {
                        let d = hidden[c];
                        let open = gelu(gate[c]);
                        dvalue[c] = d * open;
                        dgate[c] = d * value[c] * gelu_slope(gate[c]);
                        hidden[c] = value[c] * open;
                    }
                }
            },
        );
    }

    /// `hidden · output + output_bias + residual`.
    fn narrow(
        &self,
        inputs: &FeedForwardInputs<Dense>,
        hidden: &[f32],
        y: &mut [f32],
        residual: &[f32],
    ) {
        let (k, n) = (self.hidden, self.outputs);
        let rows = y.len() / n;
        let accumulate = preset(y, Some(inputs.output_bias.values()), Some(residual));
        multiply(
            MatrixMut::new(y, rows, n, n),
            Matrix::new(hidden, rows, k, k),
            Matrix::new(inputs.output.values(), k, n, n),
            1.0,
            accumulate,
        );
    }
}

impl Kernel for FeedForward {
    type Inputs<T: Slot> = FeedForwardInputs<T>;
    /// The wide values.
    type Kept = Dense;

    fn map<T: Slot, U: Slot>(
        inputs: FeedForwardInputs<T>,
        mut f: impl FnMut(T) -> U,
    ) -> FeedForwardInputs<U> {
        FeedForwardInputs {
            x: f(inputs.x),
            input: f(inputs.input),
            input_bias: f(inputs.input_bias),
            output: f(inputs.output),
            output_bias: f(inputs.output_bias),
            residual: f(inputs.residual),
        }
    }

    fn forward(&self, inputs: &FeedForwardInputs<Dense>) -> (Dense, Dense) {
        let (x, residual) = (inputs.x.values(), inputs.residual.values());
        let (k, h, n) = (self.inputs, self.hidden, self.outputs);
        let (rows, tile) = (x.len() / k, self.tile_rows());
        let mut y = vec![0.0; rows * n];
        let mut wide = vec![0.0; rows * 2 * h];
        (y.par_chunks_mut(tile * n))
            .zip(x.par_chunks(tile * k))
            .zip(residual.par_chunks(tile * n))
            .zip(wide.par_chunks_mut(tile * 2 * h))
            .for_each_init(
                || vec![0.0; tile * h],
                |hidden, (((y, x), residual), wide)| {
                    let rows = x.len() / k;
                    self.widen(inputs, x, wide);
                    self.gate(wide, &mut hidden[..rows * h]);
                    self.narrow(inputs, hidden, y, residual);
                },
            );
        (Dense::new(y, &self.dims), Dense::new(wide, &[rows, 2 * h]))
    }

    /// The wide values are those of one tile at a time.
    fn infer(&self, inputs: &FeedForwardInputs<Dense>) -> Dense {
        let (x, residual) = (inputs.x.values(), inputs.residual.values());
        let (k, h, n) = (self.inputs, self.hidden, self.outputs);
        let tile = self.tile_rows();
        let mut y = vec![0.0; x.len() / k * n];
        (y.par_chunks_mut(tile * n))
            .zip(x.par_chunks(tile * k))
            .zip(residual.par_chunks(tile * n))
            .for_each_init(
                || (vec![0.0; tile * 2 * h], vec![0.0; tile * h]),
                |(wide, hidden), ((y, x), residual)| {
                    let rows = x.len() / k;
                    self.widen(inputs, x, wide);
                    self.gate(&wide[..rows * 2 * h], &mut hidden[..rows * h]);
                    self.narrow(inputs, hidden, y, residual);
                },
            );
        Dense::new(y, &self.dims)
    }

    fn backward(
        &self,
        inputs: &FeedForwardInputs<Dense>,
        kept: &Dense,
        gradient: &Dense,
        wanted: &FeedForwardInputs<bool>,
    ) -> FeedForwardInputs<Option<Dense>> {
        let (x, dy, wide) = (inputs.x.values(), gradient.values(), kept.values());
        let (k, h, n) = (self.inputs, self.hidden, self.outputs);
        let rows = x.len() / k;
        let tile = self.tile_rows();
        let mut hidden = vec![0.0; rows * h];
        let mut dwide = vec![0.0; rows * 2 * h];
        let mut dx = vec![0.0; x.len()];
        (hidden.par_chunks_mut(tile * h))
            .zip(dwide.par_chunks_mut(tile * 2 * h))
            .zip(dx.par_chunks_mut(tile * k))
            .zip(wide.par_chunks(tile * 2 * h))
            .zip(dy.par_chunks(tile * n))
            .for_each(|((((hidden, dwide), dx), wide), dy)| {
                let rows = dy.len() / n;
                // `hidden` first holds the gradient of the hidden values, and then the values themselves, which the
                // gradient of the output weight needs.
                multiply(
                    MatrixMut::new(hidden, rows, h, h),
                    Matrix::new(dy, rows, n, n),
                    Matrix::new(inputs.output.values(), h, n, n).transpose(),
                    1.0,
                    Accumulate::Replace,
                );
                self.gate_backward(wide, hidden, dwide);
                multiply(
                    MatrixMut::new(dx, rows, k, k),
                    Matrix::new(dwide, rows, 2 * h, 2 * h),
                    Matrix::new(inputs.input.values(), k, 2 * h, 2 * h).transpose(),
                    1.0,
                    Accumulate::Replace,
                );
            });
        let [batch, length, _] = self.dims;
        FeedForwardInputs {
            x: wanted.x.then(|| Dense::new(dx, &[batch, length, k])),
            input: (wanted.input).then(|| {
                let product = transposed_product(x, &dwide, rows, k, 2 * h);
                Dense::new(product, &[k, 2 * h])
            }),
            input_bias: (wanted.input_bias)
                .then(|| Dense::new(column_sums(&dwide, 2 * h), &[2 * h])),
            output: (wanted.output)
                .then(|| Dense::new(transposed_product(&hidden, dy, rows, h, n), &[h, n])),
            output_bias: wanted
                .output_bias
                .then(|| Dense::new(column_sums(dy, n), &[n])),
            residual: wanted.residual.then(|| gradient.clone()),
        }
    }
}
