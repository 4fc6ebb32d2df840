//! Sums over planes, and the statistics of a batch norm.

use rayon::prelude::*;

use crate::kernel::{Dense, Kernel, Slot, Unary, vectorized};

/// Running sums at once.
const LANES: usize = 32;

pub(super) fn pixels(dims: [usize; 4]) -> usize {
    dims[2] * dims[3]
}

/// The sum of `term` of each of `values` and its neighbour in `others`.
#[inline(always)]
pub(super) fn sum_of(values: &[f32], others: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let chunks = values.chunks_exact(LANES).zip(others.chunks_exact(LANES));
    for (values, others) in chunks {
        for i in 0..LANES {
            lanes[i] += term(values[i], others[i]);
        }
    }
    let start = values.len() / LANES * LANES;
    let rest = values[start..].iter().zip(&others[start..]);
    lanes.iter().sum::<f32>() + rest.map(|(a, b)| term(*a, *b)).sum::<f32>()
}

/// Mean and biased variance.
#[inline(always)]
pub(super) fn moments(plane: &[f32]) -> [f32; 2] {
    let n = plane.len() as f32;
    let mean = sum_of(plane, plane, |x, _| x) / n;
    let variance = sum_of(plane, plane, |x, _| (x - mean) * (x - mean)) / n;
    [mean, variance]
}

/// Mean and variance of the channels, `[2, C]`.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub(super) dims: [usize; 4],
}

impl Kernel for Statistics {
    type Inputs<T: Slot> = Unary<T>;
    type Kept = ();

    fn map<T: Slot, U: Slot>(inputs: Unary<T>, f: impl FnMut(T) -> U) -> Unary<U> {
        inputs.map(f)
    }

    fn forward(&self, inputs: &Unary<Dense>) -> (Dense, ()) {
        let [images, channels, ..] = self.dims;
        let planes: Vec<[f32; 2]> = (inputs.x.values())
            .par_chunks_exact(pixels(self.dims))
            .map(|plane| {
                vectorized(
                    #[inline(always)]
                    || moments(plane),
                )
            })
            .collect();
        let mut statistics = vec![0.0; 2 * channels];
        let (means, variances) = statistics.split_at_mut(channels);
        for channel in 0..channels {
            let of = || planes.iter().skip(channel).step_by(channels);
            let mean = of().map(|plane| plane[0]).sum::<f32>() / images as f32;
            let spread = of().map(|plane| plane[1] + (plane[0] - mean).powi(2));
            means[channel] = mean;
            variances[channel] = spread.sum::<f32>() / images as f32;
        }
        (Dense::new(statistics, &[2, channels]), ())
    }

    fn backward(
        &self,
        _inputs: &Unary<Dense>,
        _kept: &(),
        _gradient: &Dense,
        _wanted: &Unary<bool>,
    ) -> Unary<Option<Dense>> {
        // Their input is detached.
        Unary { x: None }
    }
}
