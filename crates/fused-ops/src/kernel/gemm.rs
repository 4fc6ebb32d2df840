//! Products of strided matrices, by faer, in the calling thread.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::math::vectorized;

/// A matrix in a slice. Rows may overlap.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a>(MatRef<'a, f32>);

impl<'a> Matrix<'a> {
    /// `rows × columns`, each row `stride` values after the one before.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self(MatRef::from_row_major_slice_with_stride(
            values, rows, columns, stride,
        ))
    }

    /// The same values, `columns × rows`.
    pub(crate) fn transpose(self) -> Self {
        Self(self.0.transpose())
    }
}

/// A matrix to write to.
pub(crate) struct MatrixMut<'a>(MatMut<'a, f32>);

impl<'a> MatrixMut<'a> {
    /// `rows × columns`, each row `stride` values after the one before.
    pub(crate) fn new(values: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        // faer 0.24's `from_row_major_slice_with_stride_mut` takes the stride for that of columns, and
        // writes outside of the slice.
        let columns_of = MatMut::from_column_major_slice_with_stride_mut;
        Self(columns_of(values, columns, rows, stride).transpose_mut())
    }
}

/// What happens to the values that the target held before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accumulate {
    Replace,
    Add,
}

/// `to = scale · a · b`, or `to += …`.
pub(crate) fn multiply(to: MatrixMut, a: Matrix, b: Matrix, scale: f32, accumulate: Accumulate) {
    let accumulate = match accumulate {
        Accumulate::Replace => Accum::Replace,
        Accumulate::Add => Accum::Add,
    };
    matmul(to.0, accumulate, a.0, b.0, scale, Par::Seq);
}

/// Fills the rows of `y` with bias and residual, to which the product is then added.
pub(crate) fn preset(y: &mut [f32], bias: Option<&[f32]>, residual: Option<&[f32]>) -> Accumulate {
    match (bias, residual) {
        (None, None) => return Accumulate::Replace,
        (None, Some(residual)) => y.copy_from_slice(residual),
        (Some(bias), None) => {
            for row in y.chunks_exact_mut(bias.len()) {
                row.copy_from_slice(bias);
            }
        }
        (Some(bias), Some(residual)) => vectorized(
            #[inline(always)]
            || {
                let rows = y.chunks_exact_mut(bias.len());
                for (y, residual) in rows.zip(residual.chunks_exact(bias.len())) {
                    for ((y, b), r) in y.iter_mut().zip(bias).zip(residual) {
                        *y = b + r;
                    }
                }
            },
        ),
    }
    Accumulate::Add
}

/// aᵗ·b of `a` `[rows, m]` and `b` `[rows, n]`. Threads share the rows of the product, so the sums
/// do not depend on their number.
pub(crate) fn transposed_product(
    a: &[f32],
    b: &[f32],
    rows: usize,
    m: usize,
    n: usize,
) -> Vec<f32> {
    let mut product = vec![0.0; m * n];
    let share = m.div_ceil(rayon::current_num_threads()).max(16);
    product
        .par_chunks_mut(share * n)
        .enumerate()
        .for_each(|(i, product)| {
            let height = product.len() / n;
            multiply(
                MatrixMut::new(product, height, n, n),
                Matrix::new(&a[i * share..], rows, height, m).transpose(),
                Matrix::new(b, rows, n, n),
                1.0,
                Accumulate::Replace,
            );
        });
    product
}

/// Sums of the columns of rows of `n`.
pub(crate) fn column_sums(values: &[f32], n: usize) -> Vec<f32> {
    // Sums of sums: fewer digits are lost than in one running sum, and threads do not matter.
    let partial: Vec<Vec<f32>> = values
        .par_chunks(256 * n)
        .map(|values| {
            let mut sums = vec![0.0f32; n];
            vectorized(
                #[inline(always)]
                || {
                    for row in values.chunks_exact(n) {
                        for (sum, value) in sums.iter_mut().zip(row) {
                            *sum += value;
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let mut sums = vec![0.0; n];
    for part in partial {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sums
}
