//! A matrix product with what is added to it.

use burn::tensor::Tensor;

/// `x · weight + bias + residual`, `[.., K] × [K, N] → [.., N]`.
///
/// Composed: `x.matmul(weight) + bias + residual`. The kernel starts from bias and residual, which saves
/// the passes of two additions.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<D>>,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&x, &weight, bias.as_ref(), residual.as_ref()) {
        return y;
    }
    composed(x, weight, bias, residual)
}

fn composed<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<D>>,
) -> Tensor<D> {
    let mut y = x.matmul(weight.unsqueeze());
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    match residual {
        Some(residual) => y + residual,
        None => y,
    }
}

#[cfg(feature = "flex")]
mod kernel {
    use burn::tensor::Tensor;
    use rayon::prelude::*;

    use crate::kernel::{
        Accumulate, Dense, Input, Kernel, Matrix, MatrixMut, Slot, apply, column_sums, multiply,
        preset, transposed_product,
    };

    /// Rows of a thread's share: its input, output and the weight's panels stay in the cache.
    const ROWS: usize = 128;

    #[derive(Clone, Debug)]
    struct Linear {
        /// Of the output.
        dims: Vec<usize>,
    }

    #[derive(Clone, Debug)]
    struct LinearInputs<T> {
        x: T,
        weight: T,
        bias: Option<T>,
        residual: Option<T>,
    }

    pub(super) fn run<const D: usize>(
        x: &Tensor<D>,
        weight: &Tensor<2>,
        bias: Option<&Tensor<1>>,
        residual: Option<&Tensor<D>>,
    ) -> Option<Tensor<D>> {
        let [inputs, outputs] = weight.dims();
        let mut dims = x.dims().to_vec();
        let fits = dims.last() == Some(&inputs) && bias.is_none_or(|bias| bias.dims() == [outputs]);
        *dims.last_mut()? = outputs;
        let fits = fits && residual.is_none_or(|residual| residual.dims().to_vec() == dims);
        if !fits || dims.contains(&0) || inputs == 0 {
            return None;
        }
        let inputs = LinearInputs {
            x: Input::of(x),
            weight: Input::of(weight),
            bias: bias.map(Input::of),
            residual: residual.map(Input::of),
        };
        apply(Linear { dims }, inputs)
    }

    impl Kernel for Linear {
        type Inputs<T: Slot> = LinearInputs<T>;
        type Kept = ();

        fn map<T: Slot, U: Slot>(
            inputs: LinearInputs<T>,
            mut f: impl FnMut(T) -> U,
        ) -> LinearInputs<U> {
            LinearInputs {
                x: f(inputs.x),
                weight: f(inputs.weight),
                bias: inputs.bias.map(&mut f),
                residual: inputs.residual.map(&mut f),
            }
        }

        fn forward(&self, inputs: &LinearInputs<Dense>) -> (Dense, ()) {
            let (x, weight) = (inputs.x.values(), inputs.weight.values());
            let [k, n] = inputs.weight.dims();
            let bias = inputs.bias.as_ref().map(Dense::values);
            let residual = inputs.residual.as_ref().map(Dense::values);
            let mut y = vec![0.0; x.len() / k * n];
            y.par_chunks_mut(ROWS * n).enumerate().for_each(|(i, y)| {
                let rows = y.len() / n;
                let x = &x[i * ROWS * k..][..rows * k];
                let residual = residual.map(|residual| &residual[i * ROWS * n..][..rows * n]);
                let accumulate = preset(y, bias, residual);
                multiply(
                    MatrixMut::new(y, rows, n, n),
                    Matrix::new(x, rows, k, k),
                    Matrix::new(weight, k, n, n),
                    1.0,
                    accumulate,
                );
            });
            (Dense::new(y, &self.dims), ())
        }

        fn backward(
            &self,
            inputs: &LinearInputs<Dense>,
            _kept: &(),
            gradient: &Dense,
            wanted: &LinearInputs<bool>,
        ) -> LinearInputs<Option<Dense>> {
            let (x, weight) = (inputs.x.values(), inputs.weight.values());
            let [k, n] = inputs.weight.dims();
            let dy = gradient.values();
            let rows = x.len() / k;
            LinearInputs {
                x: wanted.x.then(|| self.input_gradient(dy, weight, [k, n])),
                weight: (wanted.weight)
                    .then(|| Dense::new(transposed_product(x, dy, rows, k, n), &[k, n])),
                bias: (wanted.bias)
                    .map(|wanted| wanted.then(|| Dense::new(column_sums(dy, n), &[n]))),
                residual: wanted
                    .residual
                    .map(|wanted| wanted.then(|| gradient.clone())),
            }
        }
    }

    impl Linear {
        /// dx = dy·weightᵗ.
        fn input_gradient(&self, dy: &[f32], weight: &[f32], [k, n]: [usize; 2]) -> Dense {
            let mut dx = vec![0.0; dy.len() / n * k];
            dx.par_chunks_mut(ROWS * k).enumerate().for_each(|(i, dx)| {
                let rows = dx.len() / k;
                multiply(
                    MatrixMut::new(dx, rows, k, k),
                    Matrix::new(&dy[i * ROWS * n..][..rows * n], rows, n, n),
                    Matrix::new(weight, k, n, n).transpose(),
                    1.0,
                    Accumulate::Replace,
                );
            });
            let mut dims = self.dims.clone();
            if let Some(last) = dims.last_mut() {
                *last = k;
            }
            Dense::new(dx, &dims)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compare;

    #[test]
    fn kernel_and_composition_agree() {
        // More rows than a thread's share, and a last share that is not full.
        let (rows, k, n) = (300, 7, 5);
        for (bias, residual) in [(false, false), (true, false), (false, true), (true, true)] {
            let layer = |kernel: bool| {
                move |t: &[Tensor<1>]| {
                    let x = t[0].clone().reshape([3, rows / 3, k]);
                    let weight = t[1].clone().reshape([k, n]);
                    let bias = bias.then(|| t[2].clone());
                    let residual = residual.then(|| t[3].clone().reshape([3, rows / 3, n]));
                    let layer = if kernel { linear } else { composed };
                    layer(x, weight, bias, residual).flatten::<1>(0, 2)
                }
            };
            let used = [true, true, bias, residual];
            compare(
                &[rows * k, k * n, n, rows * n],
                &used,
                layer(true),
                layer(false),
            );
        }
    }
}
