//! The gated feed-forward of a transformer block.

use burn::tensor::Tensor;

use crate::gelu;

/// Weights of a GEGLU feed-forward (Shazeer 2020), matrices as `[inputs, outputs]`.
#[derive(Debug, Clone)]
pub struct GatedFeedForward {
    /// `[C, 2H]`, to the values and then to the gates.
    pub input: Tensor<2>,
    /// `[2H]`.
    pub input_bias: Tensor<1>,
    /// `[H, C']`.
    pub output: Tensor<2>,
    /// `[C']`.
    pub output_bias: Tensor<1>,
}

/// `(value · gelu(gate)) · output + bias + residual` with `(value, gate)` the halves of `x · input + bias`:
/// `x` `[.., C]`, `residual` `[.., C']`.
///
/// The kernel keeps the 2H-wide values of a few rows in the cache, and writes them only if a backward pass will
/// need them.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn gated_feed_forward(
    x: Tensor<3>,
    weights: &GatedFeedForward,
    residual: Tensor<3>,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&x, weights, &residual) {
        return y;
    }
    composed(x, weights, residual)
}

fn composed(x: Tensor<3>, weights: &GatedFeedForward, residual: Tensor<3>) -> Tensor<3> {
    let wide = x.matmul(weights.input.clone().unsqueeze());
    let wide = wide + weights.input_bias.clone().unsqueeze();
    let half = wide.dims()[2] / 2;
    let gate = gelu(wide.clone().narrow(2, half, half));
    let hidden = wide.narrow(2, 0, half) * gate;
    let y = hidden.matmul(weights.output.clone().unsqueeze());
    residual + (y + weights.output_bias.clone().unsqueeze())
}

#[cfg(feature = "flex")]
mod kernel {
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

        fn forward(&self, inputs: &FeedForwardInputs<Dense>, keep: bool) -> (Dense, Vec<Dense>) {
            let (x, residual) = (inputs.x.values(), inputs.residual.values());
            let rows = x.len() / self.inputs;
            let tile = self.tile_rows();
            let (k, h, n) = (self.inputs, self.hidden, self.outputs);
            let mut y = vec![0.0; rows * n];
            let tiles = (y.par_chunks_mut(tile * n))
                .zip(x.par_chunks(tile * k))
                .zip(residual.par_chunks(tile * n));
            let hidden = || vec![0.0; tile * h];
            if !keep {
                tiles.for_each_init(
                    || (vec![0.0; tile * 2 * h], hidden()),
                    |(wide, hidden), ((y, x), residual)| {
                        let rows = x.len() / k;
                        self.widen(inputs, x, wide);
                        self.gate(&wide[..rows * 2 * h], &mut hidden[..rows * h]);
                        self.narrow(inputs, hidden, y, residual);
                    },
                );
                return (Dense::new(y, &self.dims), Vec::new());
            }
            let mut wide = vec![0.0; rows * 2 * h];
            (tiles.zip(wide.par_chunks_mut(tile * 2 * h))).for_each_init(
                hidden,
                |hidden, (((y, x), residual), wide)| {
                    let rows = x.len() / k;
                    self.widen(inputs, x, wide);
                    self.gate(wide, &mut hidden[..rows * h]);
                    self.narrow(inputs, hidden, y, residual);
                },
            );
            (
                Dense::new(y, &self.dims),
                vec![Dense::new(wide, &[rows, 2 * h])],
            )
        }

        fn backward(
            &self,
            inputs: &FeedForwardInputs<Dense>,
            kept: &[Dense],
            gradient: &Dense,
            wanted: &FeedForwardInputs<bool>,
        ) -> FeedForwardInputs<Option<Dense>> {
            let (x, dy, wide) = (inputs.x.values(), gradient.values(), kept[0].values());
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
                    // `hidden` first holds the gradient of the hidden values; the loop below replaces it by the
                    // values themselves, which the gradient of the output weight needs.
                    multiply(
                        MatrixMut::new(hidden, rows, h, h),
                        Matrix::new(dy, rows, n, n),
                        Matrix::new(inputs.output.values(), h, n, n).transpose(),
                        1.0,
                        Accumulate::Replace,
                    );
                    vectorized(
                        #[inline(always)]
                        || {
                            let rows = (hidden.chunks_exact_mut(h))
                                .zip(dwide.chunks_exact_mut(2 * h))
                                .zip(wide.chunks_exact(2 * h));
                            for ((hidden, dwide), wide) in rows {
                                let (value, gate) = wide.split_at(h);
                                let (dvalue, dgate) = dwide.split_at_mut(h);
                                for c in 0..h {
                                    let d = hidden[c];
                                    let open = gelu(gate[c]);
                                    dvalue[c] = d * open;
                                    dgate[c] = d * value[c] * gelu_slope(gate[c]);
                                    hidden[c] = value[c] * open;
                                }
                            }
                        },
                    );
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compare;

    #[test]
    fn kernel_and_composition_agree() {
        // Fewer rows than a tile, and several tiles with a last one that is not full.
        for (batch, length, k, h, n) in [(2, 3, 5, 4, 6), (3, 100, 8, 16, 8)] {
            let layer = |kernel: bool| {
                move |t: &[Tensor<1>]| {
                    let weights = GatedFeedForward {
                        input: t[1].clone().reshape([k, 2 * h]),
                        input_bias: t[2].clone(),
                        output: t[3].clone().reshape([h, n]),
                        output_bias: t[4].clone(),
                    };
                    let x = t[0].clone().reshape([batch, length, k]);
                    let residual = t[5].clone().reshape([batch, length, n]);
                    let layer = if kernel { gated_feed_forward } else { composed };
                    layer(x, &weights, residual).flatten::<1>(0, 2)
                }
            };
            let rows = batch * length;
            let lengths = [rows * k, k * 2 * h, 2 * h, h * n, n, rows * n];
            compare(&lengths, &[true; 6], layer(true), layer(false));
        }
    }
}
