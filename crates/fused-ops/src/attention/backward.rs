//! The backward pass, tile by tile of the queries: the probabilities P are recomputed, and with the scores S
//! dv += Pᵗ dy, dP = dy vᵗ, dS = P·(dP − Σ dP·P), dq = dS k and dk += dSᵗ q.

use super::kernel::Attention;
use crate::kernel::{Accumulate, Matrix, MatrixMut, multiply, vectorized};

/// What belongs to one group of keys.
pub(super) struct OfGroup<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
}

impl Attention {
    /// Adds to the group's gradients, head by head.
    pub(super) fn backward_group(
        &self,
        of: &OfGroup,
        dq: &mut [f32],
        dk: &mut [f32],
        dv: &mut [f32],
    ) {
        let (width, keys, head) = (self.dims[2], self.keys, self.head());
        let tile = self.tile_rows();
        let mut p = vec![0.0; tile * keys];
        let mut dp = vec![0.0; tile * keys];
        for (i, dq) in dq.chunks_mut(tile * width).enumerate() {
            let rows = dq.len() / width;
            let (p, dp) = (&mut p[..rows * keys], &mut dp[..rows * keys]);
            let (q, dy) = (&of.q[i * tile * width..], &of.dy[i * tile * width..]);
            for at in (0..width).step_by(head) {
                self.probabilities(&q[at..], &of.k[at..], of.bias, p);
                let dy = Matrix::new(&dy[at..], rows, head, width);
                let (k, v) = (&of.k[at..], &of.v[at..]);
                multiply(
                    MatrixMut::new(&mut dv[at..], keys, head, width),
                    Matrix::new(p, rows, keys, keys).transpose(),
                    dy,
                    1.0,
                    Accumulate::Add,
                );
                multiply(
                    MatrixMut::new(dp, rows, keys, keys),
                    dy,
                    Matrix::new(v, keys, head, width).transpose(),
                    1.0,
                    Accumulate::Replace,
                );
                through_softmax(p, dp, keys);
                multiply(
                    MatrixMut::new(&mut dq[at..], rows, head, width),
                    Matrix::new(dp, rows, keys, keys),
                    Matrix::new(k, keys, head, width),
                    self.scale(),
                    Accumulate::Replace,
                );
                multiply(
                    MatrixMut::new(&mut dk[at..], keys, head, width),
                    Matrix::new(dp, rows, keys, keys).transpose(),
                    Matrix::new(&q[at..], rows, head, width),
                    self.scale(),
                    Accumulate::Add,
                );
            }
        }
    }
}

/// dS = P·(dP − Σ dP·P) of each row, in place of dP.
fn through_softmax(p: &[f32], dp: &mut [f32], keys: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (p, dp) in p.chunks_exact(keys).zip(dp.chunks_exact_mut(keys)) {
                let mut sums = [0.0f32; 16];
                for (i, (p, dp)) in p.iter().zip(dp.iter()).enumerate() {
                    sums[i % 16] = p.mul_add(*dp, sums[i % 16]);
                }
                let sum = sums.iter().sum::<f32>();
                for (p, dp) in p.iter().zip(dp) {
                    *dp = p * (*dp - sum);
                }
            }
        },
    );
}
