//! The kernel: moments of a plane, then one pass that normalises and activates.

use burn::tensor::Tensor;
use burn::tensor::module::BatchNormTrainOutput;
use rayon::prelude::*;

use super::Affine;
use crate::Activation;
use crate::activation::{activate, deactivate};
use crate::kernel::{Dense, Input, Kernel, Slot, Unary, apply, vectorized};

/// Running sums at once.
const LANES: usize = 32;

/// Mean and variance of the channels, `[2, C]`.
#[derive(Clone, Debug)]
struct Statistics {
    dims: [usize; 4],
}

/// A batch norm if its inputs have statistics, an instance norm otherwise.
#[derive(Clone, Debug)]
struct ChannelNorm {
    dims: [usize; 4],
    epsilon: f32,
    slope: f32,
}

#[derive(Clone, Debug)]
struct ChannelNormInputs<T> {
    x: T,
    /// Mean and variance of the channels over the whole batch, `[2, C]`.
    statistics: Option<T>,
    affine: Option<GammaBeta<T>>,
}

#[derive(Clone, Debug)]
struct GammaBeta<T> {
    gamma: T,
    beta: T,
}

impl<T> ChannelNormInputs<T> {
    fn map<U>(self, mut f: impl FnMut(T) -> U) -> ChannelNormInputs<U> {
        ChannelNormInputs {
            x: f(self.x),
            statistics: self.statistics.map(&mut f),
            affine: self.affine.map(|affine| GammaBeta {
                gamma: f(affine.gamma),
                beta: f(affine.beta),
            }),
        }
    }
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
    let detached = Unary {
        x: Input::of(&x.clone().detach()),
    };
    let statistics: Tensor<2> = apply(Statistics { dims }, detached)?;
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
        epsilon: epsilon as f32,
        slope: activation.slope(),
    };
    let inputs = ChannelNormInputs {
        x: Input::of(x),
        statistics: statistics.map(Input::of),
        affine: affine.map(|(gamma, beta)| GammaBeta {
            gamma: Input::of(gamma),
            beta: Input::of(beta),
        }),
    };
    apply(kernel, inputs)
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
    type Inputs<T: Slot> = Unary<T>;

    fn map<T: Slot, U: Slot>(inputs: Unary<T>, f: impl FnMut(T) -> U) -> Unary<U> {
        inputs.map(f)
    }

    fn forward(&self, inputs: &Unary<Dense>, _keep: bool) -> (Dense, Vec<Dense>) {
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
        (Dense::new(statistics, &[2, channels]), Vec::new())
    }

    fn backward(
        &self,
        _inputs: &Unary<Dense>,
        _kept: &[Dense],
        _gradient: &Dense,
        _wanted: &Unary<bool>,
    ) -> Unary<Option<Dense>> {
        // Their input is detached.
        Unary { x: None }
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
    fn plane(
        &self,
        inputs: &ChannelNormInputs<Dense>,
        index: usize,
        [mean, variance]: [f32; 2],
    ) -> Plane {
        let channel = index % self.dims[1];
        let (gamma, beta) = match &inputs.affine {
            Some(affine) => (
                affine.gamma.values()[channel],
                affine.beta.values()[channel],
            ),
            None => (1.0, 0.0),
        };
        Plane {
            mean,
            scale: 1.0 / (variance + self.epsilon).sqrt(),
            gamma,
            beta,
        }
    }

    /// Mean and variance of a plane's channel over the whole batch.
    fn channel_moments(&self, statistics: &Dense, index: usize) -> [f32; 2] {
        let (channels, statistics) = (self.dims[1], statistics.values());
        let channel = index % channels;
        [statistics[channel], statistics[channels + channel]]
    }
}

impl Kernel for ChannelNorm {
    type Inputs<T: Slot> = ChannelNormInputs<T>;

    fn map<T: Slot, U: Slot>(
        inputs: ChannelNormInputs<T>,
        f: impl FnMut(T) -> U,
    ) -> ChannelNormInputs<U> {
        inputs.map(f)
    }

    fn forward(&self, inputs: &ChannelNormInputs<Dense>, keep: bool) -> (Dense, Vec<Dense>) {
        let x = inputs.x.values();
        let pixels = pixels(self.dims);
        let mut y = vec![0.0; x.len()];
        let planes: Vec<[f32; 2]> = (y.par_chunks_exact_mut(pixels))
            .zip(x.par_chunks_exact(pixels))
            .enumerate()
            .map(|(i, (y, x))| {
                vectorized(
                    #[inline(always)]
                    || {
                        let moments = match &inputs.statistics {
                            Some(statistics) => self.channel_moments(statistics, i),
                            None => moments(x),
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
        inputs: &ChannelNormInputs<Dense>,
        kept: &[Dense],
        gradient: &Dense,
        wanted: &ChannelNormInputs<bool>,
    ) -> ChannelNormInputs<Option<Dense>> {
        let (x, dy) = (inputs.x.values(), gradient.values());
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
        let dx = wanted.x.then(|| {
            let mut dx = vec![0.0; x.len()];
            (dx.par_chunks_exact_mut(pixels))
                .zip(x.par_chunks_exact(pixels))
                .zip(dy.par_chunks_exact(pixels))
                .enumerate()
                .for_each(|(i, ((dx, x), dy))| {
                    let plane = plane(i);
                    let (sum, n) = if inputs.statistics.is_some() {
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
}
