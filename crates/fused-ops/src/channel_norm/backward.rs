//! The backward pass.
//!
//! With x̂ the normalised values and dz the gradient at the activation's input, dβ = Σ dz, dγ = Σ dz·x̂, and
//! dx = γ·scale·(dz − mean(dz) − x̂·mean(dz·x̂)), with the means over the same values as the statistics: a plane
//! for an instance norm, a channel of the whole batch for a batch norm.

use rayon::prelude::*;

use super::kernel::{ChannelNorm, ChannelNormInputs, GammaBeta, Plane};
use super::statistics::{pixels, sum_of};
use crate::activation::deactivate;
use crate::kernel::{Dense, vectorized};

impl ChannelNorm {
    /// Gradients of the inputs, from the `moments` of each plane and the gradient `dy` of the output.
    pub(super) fn gradients(
        &self,
        inputs: &ChannelNormInputs<Dense>,
        moments: &[f32],
        dy: &[f32],
        wanted: &ChannelNormInputs<bool>,
    ) -> ChannelNormInputs<Option<Dense>> {
        let [_, channels, ..] = self.dims;
        let plane = |i: usize| self.plane(inputs, i, [moments[2 * i], moments[2 * i + 1]]);
        let by_plane = self.sums(inputs.x.values(), dy, plane);
        let mut by_channel = vec![[0.0f32; 2]; channels];
        for image in by_plane.chunks_exact(channels) {
            for (total, sum) in by_channel.iter_mut().zip(image) {
                total[0] += sum[0];
                total[1] += sum[1];
            }
        }
        let dx = wanted.x.then(|| {
            let pixels = pixels(self.dims);
            let dx = if inputs.statistics.is_some() {
                let n = self.dims[0] * pixels;
                self.input_gradient(inputs.x.values(), dy, plane, |i| {
                    (by_channel[i % channels], n)
                })
            } else {
                self.input_gradient(inputs.x.values(), dy, plane, |i| (by_plane[i], pixels))
            };
            Dense::new(dx, &self.dims)
        });
        let column = |at: usize| {
            let column = by_channel.iter().map(|sums| sums[at]).collect();
            Some(Dense::new(column, &[channels]))
        };
        ChannelNormInputs {
            x: dx,
            statistics: wanted.statistics.map(|_| None),
            affine: wanted.affine.as_ref().map(|_| GammaBeta {
                gamma: column(1),
                beta: column(0),
            }),
        }
    }

    /// The gradient of the activation's input.
    #[inline(always)]
    fn before(&self, plane: Plane, x: f32, dy: f32) -> f32 {
        deactivate(dy, plane.output(x), self.slope)
    }

    /// Σ dz and Σ dz·x̂ of each plane.
    fn sums(&self, x: &[f32], dy: &[f32], plane: impl Fn(usize) -> Plane + Sync) -> Vec<[f32; 2]> {
        let pixels = pixels(self.dims);
        (x.par_chunks_exact(pixels))
            .zip(dy.par_chunks_exact(pixels))
            .enumerate()
            .map(|(i, (x, dy))| {
                let plane = plane(i);
                vectorized(
                    #[inline(always)]
                    || {
                        [
                            sum_of(x, dy, |x, dy| self.before(plane, x, dy)),
                            sum_of(x, dy, |x, dy| self.before(plane, x, dy) * plane.normal(x)),
                        ]
                    },
                )
            })
            .collect()
    }

    /// dx; `sums` gives for each plane the two sums that its means are taken of, and over how many values.
    fn input_gradient(
        &self,
        x: &[f32],
        dy: &[f32],
        plane: impl Fn(usize) -> Plane + Sync,
        sums: impl Fn(usize) -> ([f32; 2], usize) + Sync,
    ) -> Vec<f32> {
        let pixels = pixels(self.dims);
        let mut dx = vec![0.0; x.len()];
        (dx.par_chunks_exact_mut(pixels))
            .zip(x.par_chunks_exact(pixels))
            .zip(dy.par_chunks_exact(pixels))
            .enumerate()
            .for_each(|(i, ((dx, x), dy))| {
                let plane = plane(i);
                let (sums, n) = sums(i);
                let [mean, along] = sums.map(|sum| sum / n as f32);
                let factor = plane.gamma * plane.scale;
                vectorized(
                    #[inline(always)]
                    || {
                        for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                            let dz = self.before(plane, *x, *dy);
                            *dx = factor * (dz - mean - plane.normal(*x) * along);
                        }
                    },
                );
            });
        dx
    }
}
