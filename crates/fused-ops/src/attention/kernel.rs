//! The kernel: the scores of one head for a part of the queries at a time.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::backward::OfGroup;
use crate::kernel::{
    Accumulate, Dense, Input, Kernel, Matrix, MatrixMut, Slot, apply, exp, multiply, vectorized,
};

/// Scores that a thread holds: a quarter of a mebibyte.
const TILE: usize = 1 << 16;

#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) dims: [usize; 3],
    pub(super) groups: usize,
    pub(super) keys: usize,
    pub(super) heads: usize,
}

#[derive(Clone, Debug)]
pub(super) struct AttentionInputs<T> {
    query: T,
    key: T,
    value: T,
    bias: Option<T>,
}

pub(super) fn run(
    query: &Tensor<3>,
    key: &Tensor<3>,
    value: &Tensor<3>,
    bias: Option<&Tensor<2>>,
    heads: usize,
) -> Option<Tensor<3>> {
    let [batch, length, width] = query.dims();
    let [groups, keys, _] = key.dims();
    let fits = ![batch, length, width, groups, keys, heads].contains(&0)
        && width.is_multiple_of(heads)
        && (groups == 1 || groups == batch)
        && key.dims() == [groups, keys, width]
        && value.dims() == [groups, keys, width]
        && bias.is_none_or(|bias| bias.dims() == [groups, keys] && !bias.is_tracked());
    if !fits {
        return None;
    }
    let kernel = Attention {
        dims: [batch, length, width],
        groups,
        keys,
        heads,
    };
    let inputs = AttentionInputs {
        query: Input::of(query),
        key: Input::of(key),
        value: Input::of(value),
        bias: bias.map(Input::of),
    };
    apply(kernel, inputs)
}

impl Attention {
    /// Query rows that belong to one group of keys.
    fn rows(&self) -> usize {
        self.dims[0] * self.dims[1] / self.groups
    }

    pub(super) fn tile_rows(&self) -> usize {
        (TILE / self.keys).clamp(16, 256).min(self.rows())
    }

    pub(super) fn head(&self) -> usize {
        self.dims[2] / self.heads
    }

    pub(super) fn scale(&self) -> f32 {
        1.0 / (self.head() as f32).sqrt()
    }

    /// Softmax of the scores of some queries. `q` and `k` begin at the head's first value; their rows are those of all
    /// heads, so a row's stride is the full width.
    pub(super) fn probabilities(&self, q: &[f32], k: &[f32], bias: Option<&[f32]>, p: &mut [f32]) {
        let (width, keys) = (self.dims[2], self.keys);
        let rows = p.len() / keys;
        multiply(
            MatrixMut::new(p, rows, keys, keys),
            Matrix::new(q, rows, self.head(), width),
            Matrix::new(k, keys, self.head(), width).transpose(),
            self.scale(),
            Accumulate::Replace,
        );
        vectorized(
            #[inline(always)]
            || {
                for row in p.chunks_exact_mut(keys) {
                    if let Some(bias) = bias {
                        for (score, bias) in row.iter_mut().zip(bias) {
                            *score += bias;
                        }
                    }
                    softmax(row);
                }
            },
        );
    }

    /// The bias of a group's keys.
    fn bias<'a>(&self, inputs: &'a AttentionInputs<Dense>, group: usize) -> Option<&'a [f32]> {
        (inputs.bias.as_ref())
            .map(|bias| &bias.values()[group * self.keys..(group + 1) * self.keys])
    }
}

#[inline(always)]
fn softmax(row: &mut [f32]) {
    let mut largest = [f32::NEG_INFINITY; 16];
    let chunks = row.chunks_exact(16);
    for (m, value) in largest.iter_mut().zip(chunks.remainder()) {
        *m = if *value > *m { *value } else { *m };
    }
    for chunk in chunks {
        for (m, value) in largest.iter_mut().zip(chunk) {
            *m = if *value > *m { *value } else { *m };
        }
    }
    let largest = largest.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let mut sums = [0.0f32; 16];
    let mut chunks = row.chunks_exact_mut(16);
    for chunk in &mut chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *value = exp(*value - largest);
            *sum += *value;
        }
    }
    for (sum, value) in sums.iter_mut().zip(chunks.into_remainder()) {
        *value = exp(*value - largest);
        *sum += *value;
    }
    let inverse = 1.0 / sums.iter().sum::<f32>();
    for value in row {
        *value *= inverse;
    }
}

impl<T> AttentionInputs<T> {
    fn map<U>(self, mut f: impl FnMut(T) -> U) -> AttentionInputs<U> {
        AttentionInputs {
            query: f(self.query),
            key: f(self.key),
            value: f(self.value),
            bias: self.bias.map(f),
        }
    }
}

impl AttentionInputs<Dense> {
    /// The values of query, key and value.
    fn projections(&self) -> [&[f32]; 3] {
        [&self.query, &self.key, &self.value].map(Dense::values)
    }
}

impl Kernel for Attention {
    type Inputs<T: Slot> = AttentionInputs<T>;
    type Kept = ();

    fn map<T: Slot, U: Slot>(
        inputs: AttentionInputs<T>,
        f: impl FnMut(T) -> U,
    ) -> AttentionInputs<U> {
        inputs.map(f)
    }

    fn forward(&self, inputs: &AttentionInputs<Dense>) -> (Dense, ()) {
        let [batch, length, width] = self.dims;
        let [q, k, v] = inputs.projections();
        let (rows, tile, keys, head) = (self.rows(), self.tile_rows(), self.keys, self.head());
        let mut y = vec![0.0; batch * length * width];
        let tiles: Vec<(usize, usize, &mut [f32])> = (y.chunks_mut(rows * width).enumerate())
            .flat_map(|(group, y)| {
                (y.chunks_mut(tile * width).enumerate())
                    .map(move |(i, y)| (group, group * rows + i * tile, y))
            })
            .collect();
        tiles.into_par_iter().for_each_init(
            || vec![0.0; tile * keys],
            |p, (group, first, y)| {
                let rows = y.len() / width;
                let p = &mut p[..rows * keys];
                let (q, k) = (&q[first * width..], &k[group * keys * width..]);
                let v = &v[group * keys * width..];
                let bias = self.bias(inputs, group);
                for at in (0..width).step_by(head) {
                    self.probabilities(&q[at..], &k[at..], bias, p);
                    multiply(
                        MatrixMut::new(&mut y[at..], rows, head, width),
                        Matrix::new(p, rows, keys, keys),
                        Matrix::new(&v[at..], keys, head, width),
                        1.0,
                        Accumulate::Replace,
                    );
                }
            },
        );
        (Dense::new(y, &self.dims), ())
    }

    fn backward(
        &self,
        inputs: &AttentionInputs<Dense>,
        _kept: &(),
        gradient: &Dense,
        wanted: &AttentionInputs<bool>,
    ) -> AttentionInputs<Option<Dense>> {
        let width = self.dims[2];
        let [q, k, v] = inputs.projections();
        let dy = gradient.values();
        let (rows, keys) = (self.rows(), self.keys);
        let mut dq = vec![0.0; q.len()];
        let mut dk = vec![0.0; k.len()];
        let mut dv = vec![0.0; v.len()];
        (dq.par_chunks_mut(rows * width))
            .zip(dk.par_chunks_mut(keys * width))
            .zip(dv.par_chunks_mut(keys * width))
            .enumerate()
            .for_each(|(group, ((dq, dk), dv))| {
                let part = |rows: usize| group * rows * width..(group + 1) * rows * width;
                let of_group = OfGroup {
                    q: &q[part(rows)],
                    k: &k[part(keys)],
                    v: &v[part(keys)],
                    dy: &dy[part(rows)],
                    bias: self.bias(inputs, group),
                };
                self.backward_group(&of_group, dq, dk, dv);
            });
        let [batch, length, _] = self.dims;
        AttentionInputs {
            query: wanted
                .query
                .then(|| Dense::new(dq, &[batch, length, width])),
            key: (wanted.key).then(|| Dense::new(dk, &[self.groups, keys, width])),
            value: (wanted.value).then(|| Dense::new(dv, &[self.groups, keys, width])),
            // `run` takes no bias that wants one.
            bias: wanted.bias.map(|_| None),
        }
    }
}
