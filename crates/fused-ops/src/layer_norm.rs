//! Layer norm.

use burn::tensor::Tensor;

const EPSILON: f64 = 1e-5;

/// Layer norm over the last dimension with `gamma` and an optional `beta`, `[C]` each, ε = 1e-5 (PyTorch's
/// `LayerNorm`).
///
/// Composed: Burn's `layer_norm`. The kernel takes a layer with a `beta`.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(y) = (beta.as_ref()).and_then(|beta| kernel::run(&x, &gamma, beta)) {
        return y;
    }
    composed(x, gamma, beta)
}

fn composed<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Option<Tensor<1>>) -> Tensor<D> {
    burn::tensor::module::layer_norm(x, gamma, beta, EPSILON)
}

#[cfg(feature = "flex")]
mod kernel {
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use super::EPSILON;
    use crate::kernel::{Dense, Input, Kernel, Slot, apply, vectorized};

    /// Rows of a thread's share.
    const ROWS: usize = 64;

    #[derive(Clone, Debug)]
    struct LayerNorm {
        dims: Vec<usize>,
        width: usize,
    }

    #[derive(Clone, Debug)]
    struct LayerNormInputs<T> {
        x: T,
        gamma: T,
        beta: T,
    }

    pub(super) fn run<const D: usize>(
        x: &Tensor<D>,
        gamma: &Tensor<1>,
        beta: &Tensor<1>,
    ) -> Option<Tensor<D>> {
        let dims = x.dims().to_vec();
        let width = *dims.last()?;
        if dims.contains(&0) || gamma.dims() != [width] || beta.dims() != [width] {
            return None;
        }
        let inputs = LayerNormInputs {
            x: Input::of(x),
            gamma: Input::of(gamma),
            beta: Input::of(beta),
        };
        apply(LayerNorm { dims, width }, inputs)
    }

    /// Mean and 1/√(variance + ε) of a row.
    #[inline(always)]
    fn statistics(row: &[f32]) -> (f32, f32) {
        // Sixteen running sums: one would make each addition wait for the one before.
        let mut sums = [0.0f32; 16];
        let chunks = row.chunks_exact(16);
        let rest: f32 = chunks.remainder().iter().sum();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += value;
            }
        }
        let mean = (sums.iter().sum::<f32>() + rest) / row.len() as f32;
        let mut sums = [0.0f32; 16];
        let chunks = row.chunks_exact(16);
        let rest: f32 = (chunks.remainder().iter())
            .map(|v| (v - mean) * (v - mean))
            .sum();
        for chunk in chunks {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                let centred = value - mean;
                *sum = centred.mul_add(centred, *sum);
            }
        }
        let variance = (sums.iter().sum::<f32>() + rest) / row.len() as f32;
        (mean, 1.0 / (variance + EPSILON as f32).sqrt())
    }

    impl Kernel for LayerNorm {
        type Inputs<T: Slot> = LayerNormInputs<T>;
        type Kept = ();

        fn map<T: Slot, U: Slot>(
            inputs: LayerNormInputs<T>,
            mut f: impl FnMut(T) -> U,
        ) -> LayerNormInputs<U> {
            LayerNormInputs {
                x: f(inputs.x),
                gamma: f(inputs.gamma),
                beta: f(inputs.beta),
            }
        }

        fn forward(&self, inputs: &LayerNormInputs<Dense>) -> (Dense, ()) {
            let width = self.width;
            let (x, gamma) = (inputs.x.values(), inputs.gamma.values());
            let beta = inputs.beta.values();
            let mut y = vec![0.0; x.len()];
            (y.par_chunks_mut(ROWS * width)
                .zip(x.par_chunks(ROWS * width)))
            .for_each(|(y, x)| {
                vectorized(
                    #[inline(always)]
                    || {
                        for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                            let (mean, inverse) = statistics(x);
                            for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta)
                            {
                                *y = ((x - mean) * inverse).mul_add(*gamma, *beta);
                            }
                        }
                    },
                );
            });
            (Dense::new(y, &self.dims), ())
        }

        fn backward(
            &self,
            inputs: &LayerNormInputs<Dense>,
            _kept: &(),
            gradient: &Dense,
            wanted: &LayerNormInputs<bool>,
        ) -> LayerNormInputs<Option<Dense>> {
            let width = self.width;
            let (x, gamma) = (inputs.x.values(), inputs.gamma.values());
            let dy = gradient.values();
            let mut dx = vec![0.0; x.len()];
            let parts: Vec<Vec<f32>> = (dx.par_chunks_mut(ROWS * width))
                .zip(x.par_chunks(ROWS * width))
                .zip(dy.par_chunks(ROWS * width))
                .map(|((dx, x), dy)| {
                    let mut sums = vec![0.0f32; 2 * width];
                    let (dgamma, dbeta) = sums.split_at_mut(width);
                    vectorized(
                        #[inline(always)]
                        || {
                            let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width));
                            for ((dx, x), dy) in rows.zip(dy.chunks_exact(width)) {
                                let (mean, inverse) = statistics(x);
                                for c in 0..width {
                                    let normed = (x[c] - mean) * inverse;
                                    dgamma[c] = dy[c].mul_add(normed, dgamma[c]);
                                    dbeta[c] += dy[c];
                                    dx[c] = dy[c] * gamma[c];
                                }
                                let (mut first, mut second) = ([0.0f32; 16], [0.0f32; 16]);
                                for c in 0..width {
                                    first[c % 16] += dx[c];
                                    second[c % 16] = dx[c].mul_add(x[c] - mean, second[c % 16]);
                                }
                                let first = first.iter().sum::<f32>() / width as f32;
                                let second =
                                    second.iter().sum::<f32>() * inverse * inverse / width as f32;
                                for c in 0..width {
                                    dx[c] = (dx[c] - first - (x[c] - mean) * second) * inverse;
                                }
                            }
                        },
                    );
                    sums
                })
                .collect();
            let mut sums = vec![0.0; 2 * width];
            for part in parts {
                for (sum, value) in sums.iter_mut().zip(part) {
                    *sum += value;
                }
            }
            let dbeta = sums.split_off(width);
            LayerNormInputs {
                x: wanted.x.then(|| Dense::new(dx, &self.dims)),
                gamma: wanted.gamma.then(|| Dense::new(sums, &[width])),
                beta: wanted.beta.then(|| Dense::new(dbeta, &[width])),
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
        for (rows, width) in [(3, 5), (70, 16), (130, 37)] {
            let layer = |kernel: bool| {
                move |t: &[Tensor<1>]| {
                    let x = t[0].clone().reshape([rows, width]);
                    let layer = if kernel { layer_norm } else { composed };
                    layer(x, t[1].clone(), Some(t[2].clone())).flatten::<1>(0, 1)
                }
            };
            compare(
                &[rows * width, width, width],
                &[true; 3],
                layer(true),
                layer(false),
            );
        }
    }
}
