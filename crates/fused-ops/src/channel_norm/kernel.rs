//! The kernel: moments of a plane, then one pass that normalises and activates.

use burn::tensor::Tensor;
use burn::tensor::module::BatchNormTrainOutput;
use rayon::prelude::*;

use super::Affine;
use crate::Activation;
use crate::activation::{activate, deactivate};
use crate::kernel::{Dense, Input, Kernel, apply, vectorized};

/// Running sums at once.
const LANES: usize = 32;

/// Mean and variance of the channels, `[2, C]`.
#[derive(Clone, Debug)]
struct Statistics {
    dims: [usize; 4],
}

/// Inputs: x, then the channels' statistics of a batch norm, then γ and β, where there are any.
#[derive(Clone, Debug)]
struct ChannelNorm {
    dims: [usize; 4],
    batch: bool,
    affine: bool,
    epsilon: f32,
    slope: f32,
}

pub(super) fn batch(
    x: &Tensor<4>,
    gamma: &Tensor<1>,
    beta: &Tensor<1>,
    epsilon: f64,
    activation: Activation,
) -> Option<BatchNormTrainOutput<4>> {
    let dims = x.dims();
    if dims.contains(&0) {
        return None;
    }
    let x_only = vec![Input::of(&x.clone().detach())];
    let statistics: Tensor<2> = apply(Statistics { dims }, x_only)?;
    let affine = (gamma.clone(), beta.clone());
    let output = run(x, Some(&statistics), Some(&affine), epsilon, activation)?;
    let row = |at: usize| {
        (statistics.clone())
            .slice([at..at + 1, 0..dims[1]])
            .reshape([dims[1]])
    };
    Some(BatchNormTrainOutput {
        output,
        mean: row(0),
        variance: row(1),
    })
}

pub(super) fn run(
    x: &Tensor<4>,
    statistics: Option<&Tensor<2>>,
    affine: Option<&Affine>,
    epsilon: f64,
    activation: Activation,
) -> Option<Tensor<4>> {
    let dims = x.dims();
    let fits = |values: &Tensor<1>| values.dims() == [dims[1]];
    if dims.contains(&0)
        || !activation.fits()
        || affine.is_some_and(|(gamma, beta)| !fits(gamma) || !fits(beta))
    {
        return None;
    }
    let kernel = ChannelNorm {
        dims,
        batch: statistics.is_some(),
        affine: affine.is_some(),
        epsilon: epsilon as f32,
        slope: activation.slope(),
    };
    let mut tensors = vec![Input::of(x)];
    tensors.extend(statistics.map(Input::of));
    if let Some((gamma, beta)) = affine {
        tensors.extend([Input::of(gamma), Input::of(beta)]);
    }
    apply(kernel, tensors)
}

fn pixels(dims: [usize; 4]) -> usize {
    dims[2] * dims[3]
}

/// The sum of `term` of each of `values` and its neighbour in `others`.
#[inline(always)]
fn sum_of(values: &[f32], others: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
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
fn moments(plane: &[f32]) -> [f32; 2] {
    let n = plane.len() as f32;
    let mean = sum_of(plane, plane, |x, _| x) / n;
    let variance = sum_of(plane, plane, |x, _| (x - mean) * (x - mean)) / n;
    [mean, variance]
}

impl Kernel for Statistics {
    fn forward(&self, inputs: &[Dense], _keep: bool) -> (Dense, Vec<Dense>) {
        let [images, channels, ..] = self.dims;
        let planes: Vec<[f32; 2]> = (inputs[0].values())
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
        (Dense::new(statistics, &[2, channels]), Vec::new())
    }

    fn backward(
        &self,
        _inputs: &[Dense],
        _kept: &[Dense],
        _gradient: &Dense,
        _wanted: &[bool],
    ) -> Vec<Option<Dense>> {
        vec![None]
    }
}

/// What a plane's values x become: (x − mean)·scale, times γ, plus β.
#[derive(Clone, Copy)]
struct Plane {
    mean: f32,
    scale: f32,
    gamma: f32,
    beta: f32,
}

impl Plane {
    #[inline(always)]
    fn normal(self, x: f32) -> f32 {
        (x - self.mean) * self.scale
    }

    #[inline(always)]
    fn output(self, x: f32) -> f32 {
        self.normal(x) * self.gamma + self.beta
    }
}

impl ChannelNorm {
    fn plane(&self, inputs: &[Dense], index: usize, [mean, variance]: [f32; 2]) -> Plane {
        let channel = index % self.dims[1];
        let at = 1 + usize::from(self.batch);
        let affine = |at: usize| inputs[at].values()[channel];
        Plane {
            mean,
            scale: 1.0 / (variance + self.epsilon).sqrt(),
            gamma: if self.affine { affine(at) } else { 1.0 },
            beta: if self.affine { affine(at + 1) } else { 0.0 },
        }
    }

    /// Of a batch norm.
    fn channel_moments(&self, inputs: &[Dense], index: usize) -> [f32; 2] {
        let (channels, statistics) = (self.dims[1], inputs[1].values());
        let channel = index % channels;
        [statistics[channel], statistics[channels + channel]]
    }
}

impl Kernel for ChannelNorm {
    fn forward(&self, inputs: &[Dense], keep: bool) -> (Dense, Vec<Dense>) {
        let x = inputs[0].values();
        let pixels = pixels(self.dims);
        let mut y = vec![0.0; x.len()];
        let planes: Vec<[f32; 2]> = (y.par_chunks_exact_mut(pixels))
            .zip(x.par_chunks_exact(pixels))
            .enumerate()
            .map(|(i, (y, x))| {
                vectorized(
                    #[inline(always)]
                    || {
                        let moments = if self.batch {
                            self.channel_moments(inputs, i)
                        } else {
                            moments(x)
                        };
                        let plane = self.plane(inputs, i, moments);
                        for (y, x) in y.iter_mut().zip(x) {
                            *y = activate(plane.output(*x), self.slope);
                        }
                        moments
                    },
                )
            })
            .collect();
        let mut kept = Vec::new();
        if keep {
            kept.push(Dense::new(
                planes.as_flattened().to_vec(),
                &[planes.len(), 2],
            ));
        }
        (Dense::new(y, &self.dims), kept)
    }

    fn backward(
        &self,
        inputs: &[Dense],
        kept: &[Dense],
        gradient: &Dense,
        wanted: &[bool],
    ) -> Vec<Option<Dense>> {
        let (x, dy) = (inputs[0].values(), gradient.values());
        let moments = kept[0].values();
        let [_, channels, ..] = self.dims;
        let pixels = pixels(self.dims);
        let plane = |i: usize| self.plane(inputs, i, [moments[2 * i], moments[2 * i + 1]]);
        let before = |plane: Plane, x: f32, dy: f32| deactivate(dy, plane.output(x), self.slope);
        // Per plane the sums of the gradient before the activation, and of its products with the
        // normalised values.
        let sums: Vec<[f32; 2]> = (x.par_chunks_exact(pixels))
            .zip(dy.par_chunks_exact(pixels))
            .enumerate()
            .map(|(i, (x, dy))| {
                let plane = plane(i);
                vectorized(
                    #[inline(always)]
                    || {
                        [
                            sum_of(x, dy, |x, dy| before(plane, x, dy)),
                            sum_of(x, dy, |x, dy| before(plane, x, dy) * plane.normal(x)),
                        ]
                    },
                )
            })
            .collect();
        let mut by_channel = vec![[0.0f32; 2]; channels];
        for image in sums.chunks_exact(channels) {
            for (total, sum) in by_channel.iter_mut().zip(image) {
                total[0] += sum[0];
                total[1] += sum[1];
            }
        }
        let mut gradients = vec![None; inputs.len()];
        if wanted[0] {
            let mut dx = vec![0.0; x.len()];
            (dx.par_chunks_exact_mut(pixels))
                .zip(x.par_chunks_exact(pixels))
                .zip(dy.par_chunks_exact(pixels))
                .enumerate()
                .for_each(|(i, ((dx, x), dy))| {
                    let plane = plane(i);
                    let (sum, n) = if self.batch {
                        (by_channel[i % channels], self.dims[0] * pixels)
                    } else {
                        (sums[i], pixels)
                    };
                    let [mean, along] = sum.map(|sum| sum / n as f32);
                    let factor = plane.gamma * plane.scale;
                    vectorized(
                        #[inline(always)]
                        || {
                            for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                                let dz = before(plane, *x, *dy);
                                *dx = factor * (dz - mean - plane.normal(*x) * along);
                            }
                        },
                    );
                });
            gradients[0] = Some(Dense::new(dx, &self.dims));
        }
        if self.affine {
            let at = 1 + usize::from(self.batch);
            let column = |at: usize| by_channel.iter().map(|sums| sums[at]).collect();
            gradients[at] = Some(Dense::new(column(1), &[channels]));
            gradients[at + 1] = Some(Dense::new(column(0), &[channels]));
        }
        gradients
    }
}
