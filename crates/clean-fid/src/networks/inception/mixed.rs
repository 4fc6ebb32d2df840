//! Blocks of parallel branches.

use burn::module::Module;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Tensor, s};

use super::unit::{Unit, chain};

/// One path through a block: a chain of units. If there is a `fork`, each of its units takes the chain's result.
#[derive(Module, Debug)]
pub(super) struct Branch {
    pub(super) chain: Vec<Unit>,
    pub(super) fork: Vec<Unit>,
}

impl Branch {
    fn forward(&self, input: Tensor<4>, outputs: &mut Vec<Tensor<4>>) {
        let x = chain(&self.chain, input);
        if self.fork.is_empty() {
            outputs.push(x);
        } else {
            outputs.extend(self.fork.iter().map(|unit| unit.forward(x.clone())));
        }
    }
}

/// The pool on a block's last branch, 3 × 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// Mean over the pixels inside the image: TensorFlow does not count the padding.
    Average,
    /// Largest, at stride 1: what TensorFlow's graph of 2015 has in the last block.
    Max,
    /// Largest, at stride 2 without padding.
    Halve,
}

impl Pool {
    fn forward(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Average => avg_pool2d(
                x,
                AvgPoolOptions::new([3, 3])
                    .with_stride([1, 1])
                    .with_padding([1, 1])
                    .with_count_include_pad(false),
            ),
            Self::Max => max_pool2d(
                x,
                MaxPoolOptions::new([3, 3])
                    .with_stride([1, 1])
                    .with_padding([1, 1]),
            ),
            Self::Halve => halve(x),
        }
    }
}

/// Maximum over 3 × 3 pixels at stride 2: `n` to `(n - 3) / 2 + 1` on both axes. In elementwise maxima, first of rows and
/// then of columns: less work than nine comparisons a pixel, and no indices.
pub(super) fn halve(x: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let rows = |from: usize| {
        let to = from + height - 2;
        x.clone().slice(s![.., .., from..to;2, ..])
    };
    let x = rows(0).max_pair(rows(1)).max_pair(rows(2));
    let columns = |from: usize| {
        let to = from + width - 2;
        x.clone().slice(s![.., .., .., from..to;2])
    };
    columns(0).max_pair(columns(1)).max_pair(columns(2))
}

/// `Mixed_*` of Szegedy et al., 2016: branches, then a pooled branch, joined along the channels in that order.
#[derive(Module, Debug)]
pub(super) struct Mixed {
    pub(super) branches: Vec<Branch>,
    #[module(skip)]
    pub(super) pool: Pool,
    pub(super) pooled: Option<Unit>,
}

impl Mixed {
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let mut outputs = Vec::with_capacity(2 * self.branches.len() + 1);
        for branch in &self.branches {
            branch.forward(input.clone(), &mut outputs);
        }
        outputs.push(match (&self.pooled, self.pool) {
            (Some(unit), Pool::Average) => unit.forward_mean(input, |x| self.pool.forward(x)),
            (Some(unit), _) => unit.forward(self.pool.forward(input)),
            (None, _) => self.pool.forward(input),
        });
        Tensor::cat(outputs, 1)
    }
}
