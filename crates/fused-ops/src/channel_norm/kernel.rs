//! The kernel: moments of a plane, then one pass that normalises and activates.

use burn::tensor::Tensor;
use burn::tensor::module::BatchNormTrainOutput;
use rayon::prelude::*;

use super::Affine;
use super::statistics::{Statistics, moments, pixels};
use crate::Activation;
use crate::activation::activate;
use crate::kernel::{Dense, Input, Kernel, Slot, Unary, apply, vectorized};

/// A batch norm if its inputs have statistics, an instance norm otherwise.
#[derive(Clone, Debug)]
pub(super) struct ChannelNorm {
    pub(super) dims: [usize; 4],
    pub(super) epsilon: f32,
    pub(super) slope: f32,
}

#[derive(Clone, Debug)]
pub(super) struct ChannelNormInputs<T> {
    pub(super) x: T,
    /// Mean and variance of the channels over the whole batch, `[2, C]`.
    pub(super) statistics: Option<T>,
    pub(super) affine: Option<GammaBeta<T>>,
}

#[derive(Clone, Debug)]
pub(super) struct GammaBeta<T> {
    pub(super) gamma: T,
    pub(super) beta: T,
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

/// What a plane's values x become: (x − mean)·scale, times γ, plus β.
#[derive(Clone, Copy)]
pub(super) struct Plane {
    pub(super) mean: f32,
    pub(super) scale: f32,
    pub(super) gamma: f32,
    pub(super) beta: f32,
}

impl Plane {
    #[inline(always)]
    pub(super) fn normal(self, x: f32) -> f32 {
        (x - self.mean) * self.scale
    }

    #[inline(always)]
    pub(super) fn output(self, x: f32) -> f32 {
        self.normal(x) * self.gamma + self.beta
    }
}

impl ChannelNorm {
    pub(super) fn plane(
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
    /// Mean and variance of each plane.
    type Kept = Dense;

    fn map<T: Slot, U: Slot>(
        inputs: ChannelNormInputs<T>,
        f: impl FnMut(T) -> U,
    ) -> ChannelNormInputs<U> {
        inputs.map(f)
    }

    fn forward(&self, inputs: &ChannelNormInputs<Dense>) -> (Dense, Dense) {
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
        let moments = planes.as_flattened().to_vec();
        (
            Dense::new(y, &self.dims),
            Dense::new(moments, &[planes.len(), 2]),
        )
    }

    fn backward(
        &self,
        inputs: &ChannelNormInputs<Dense>,
        kept: &Dense,
        gradient: &Dense,
        wanted: &ChannelNormInputs<bool>,
    ) -> ChannelNormInputs<Option<Dense>> {
        self.gradients(inputs, kept.values(), gradient.values(), wanted)
    }
}
