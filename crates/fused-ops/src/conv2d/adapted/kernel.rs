//! The kernel of [`AdaptedConv2d`].

use burn::tensor::Tensor;

use super::AdaptedConv2d;
use crate::conv2d::finish::Finish;
use crate::conv2d::products::{down, large_shares, small_shares, up};
use crate::conv2d::sized::SizedConv;
use crate::kernel::{Accumulate, Dense, Input, Kernel, Matrix, MatrixMut, Slot, apply, multiply};

#[derive(Clone, Debug)]
pub(super) struct Adapted {
    pub(super) conv: SizedConv,
    /// The rank of the update; 0 if there is none.
    pub(super) rank: usize,
    /// The factor of the update.
    pub(super) scale: f32,
    /// The slope of the activation below zero; 1 if there is none.
    pub(super) slope: f32,
}

#[derive(Clone, Debug)]
pub(super) struct AdaptedInputs<T> {
    pub(super) x: T,
    pub(super) weight: T,
    pub(super) bias: T,
    pub(super) gain: Option<T>,
    pub(super) update: Option<Factors<T>>,
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Debug)]
pub(super) struct AdaptedKept {
    pub(super) output: Dense,
    /// `down * x`, of r channels, if there is an update.
    pub(super) inner: Option<Dense>,
}

/// The two matrices of the update.
#[derive(Clone, Debug)]
pub(super) struct Factors<T> {
    pub(super) down: T,
    pub(super) up: T,
}

impl<T> AdaptedInputs<T> {
    fn map<U>(self, mut f: impl FnMut(T) -> U) -> AdaptedInputs<U> {
        AdaptedInputs {
            x: f(self.x),
            weight: f(self.weight),
            bias: f(self.bias),
            gain: self.gain.map(&mut f),
            update: self.update.map(|update| Factors {
                down: f(update.down),
                up: f(update.up),
            }),
        }
    }
}

impl AdaptedInputs<Dense> {
    pub(super) fn gain(&self) -> Option<&[f32]> {
        self.gain.as_ref().map(Dense::values)
    }
}

pub(super) fn run(layer: &AdaptedConv2d, x: &Tensor<4>) -> Option<Tensor<4>> {
    let conv = SizedConv::new(layer.kind, x.dims(), layer.weight.dims())?;
    let (outputs, _) = conv.outputs();
    let per_channel = |values: &Tensor<1>| values.dims() == [outputs];
    let fits = per_channel(&layer.bias) && layer.gain.as_ref().is_none_or(per_channel);
    if !fits || !layer.activation.fits() {
        return None;
    }
    let (mut rank, mut scale) = (0, 0.0);
    if let Some(update) = &layer.update {
        let fan_in = conv.inputs() * conv.geometry.area();
        rank = update.down.dims()[0];
        scale = update.scale as f32;
        if update.down.dims() != [rank, fan_in] || update.up.dims() != [outputs, rank] || rank == 0
        {
            return None;
        }
    }
    let kernel = Adapted {
        conv,
        rank,
        scale,
        slope: layer.activation.slope(),
    };
    let inputs = AdaptedInputs {
        x: Input::of(x),
        weight: Input::of(&layer.weight),
        bias: Input::of(&layer.bias),
        gain: layer.gain.as_ref().map(Input::of),
        update: layer.update.as_ref().map(|update| Factors {
            down: Input::of(&update.down),
            up: Input::of(&update.up),
        }),
    };
    apply(kernel, inputs)
}

impl Kernel for Adapted {
    type Inputs<T: Slot> = AdaptedInputs<T>;
    type Kept = AdaptedKept;

    fn map<T: Slot, U: Slot>(inputs: AdaptedInputs<T>, f: impl FnMut(T) -> U) -> AdaptedInputs<U> {
        inputs.map(f)
    }

    /// With an update, the r channels `down * x` are further output channels of the same convolution, and cost no second
    /// pass over `x`.
    fn forward(&self, inputs: &AdaptedInputs<Dense>) -> (Dense, AdaptedKept) {
        if inputs.update.is_none() {
            let output = self.infer(inputs);
            let kept = AdaptedKept {
                output: output.clone(),
                inner: None,
            };
            return (output, kept);
        }
        let weight = self.merged(inputs, inputs.gain(), true);
        let [y, inner] = self.convolve_stacked(inputs.x.values(), &weight, self.finish(inputs));
        let dims = self.conv.output_dims();
        let output = Dense::new(y, &dims);
        let [batch, _, height, width] = dims;
        let kept = AdaptedKept {
            output: output.clone(),
            inner: Some(Dense::new(inner, &[batch, self.rank, height, width])),
        };
        (output, kept)
    }

    fn infer(&self, inputs: &AdaptedInputs<Dense>) -> Dense {
        let weight = self.merged(inputs, inputs.gain(), false);
        let y = (self.conv).forward(inputs.x.values(), &weight, self.finish(inputs));
        Dense::new(y, &self.conv.output_dims())
    }

    fn backward(
        &self,
        inputs: &AdaptedInputs<Dense>,
        kept: &AdaptedKept,
        gradient: &Dense,
        wanted: &AdaptedInputs<bool>,
    ) -> AdaptedInputs<Option<Dense>> {
        self.gradients(inputs, kept, gradient, wanted)
    }
}

impl Adapted {
    /// Bias and activation of the output's own channels.
    fn finish<'a>(&self, inputs: &'a AdaptedInputs<Dense>) -> Finish<'a> {
        Finish {
            bias: Some(inputs.bias.values()),
            slope: self.slope,
            channels: self.conv.outputs().0,
        }
    }

    /// `(W + scale·up·down)` times `gain`, in the weight's layout. If `stacked`, the rows of `down` follow as further
    /// output channels.
    pub(super) fn merged(
        &self,
        inputs: &AdaptedInputs<Dense>,
        gain: Option<&[f32]>,
        stacked: bool,
    ) -> Vec<f32> {
        let (outputs, _) = self.conv.outputs();
        let (channels, area) = (self.conv.inputs(), self.conv.geometry.area());
        let weight = inputs.weight.values();
        let delta = self.delta(inputs);
        let rows = outputs + if stacked { self.rank } else { 0 };
        let mut merged = vec![0.0; rows * channels * area];
        // Where the kernel of `area` values of a pair of channels begins. Updates have it at (output, input), the weight
        // of a transposed convolution at (input, output), among `outputs` of them.
        let place = |output: usize, input: usize, outputs: usize| match self.conv.transposed {
            true => (input * outputs + output) * area,
            false => (output * channels + input) * area,
        };
        for output in 0..outputs {
            let gain = gain.map_or(1.0, |gain| gain[output]);
            for input in 0..channels {
                let weight = &weight[place(output, input, outputs)..][..area];
                let merged = &mut merged[place(output, input, rows)..][..area];
                if let Some(delta) = &delta {
                    let delta = &delta[(output * channels + input) * area..][..area];
                    for ((merged, weight), delta) in merged.iter_mut().zip(weight).zip(delta) {
                        *merged = (weight + delta) * gain;
                    }
                } else {
                    for (merged, weight) in merged.iter_mut().zip(weight) {
                        *merged = weight * gain;
                    }
                }
            }
        }
        if let Some(update) = inputs.update.as_ref().filter(|_| stacked) {
            for inner in 0..self.rank {
                for input in 0..channels {
                    let from = &update.down.values()[(inner * channels + input) * area..];
                    merged[place(outputs + inner, input, rows)..][..area]
                        .copy_from_slice(&from[..area]);
                }
            }
        }
        merged
    }

    /// scale·up·down, `[f, c·kh·kw]`.
    fn delta(&self, inputs: &AdaptedInputs<Dense>) -> Option<Vec<f32>> {
        let update = inputs.update.as_ref()?;
        let (outputs, _) = self.conv.outputs();
        let fan_in = self.conv.inputs() * self.conv.geometry.area();
        let mut delta = vec![0.0; outputs * fan_in];
        multiply(
            MatrixMut::new(&mut delta, outputs, fan_in, fan_in),
            Matrix::new(update.up.values(), outputs, self.rank, self.rank),
            Matrix::new(update.down.values(), self.rank, fan_in, fan_in),
            self.scale,
            Accumulate::Replace,
        );
        Some(delta)
    }

    /// The convolution of `x` with a stacked weight as [`Adapted::merged`] gives it: the output, and `down * x`.
    fn convolve_stacked(&self, x: &[f32], weight: &[f32], finish: Finish) -> [Vec<f32>; 2] {
        let geometry = &self.conv.geometry;
        let [batch, outputs, height, width] = self.conv.output_dims();
        let size = [height, width];
        let shares = if self.conv.transposed {
            large_shares(geometry)
        } else {
            small_shares(geometry)
        };
        let mut y = vec![0.0; batch * outputs * height * width];
        let mut inner = vec![0.0; batch * self.rank * height * width];
        // Each share writes the channels of both, one after another.
        let mut places = shares.split(&mut y, outputs, size);
        for (place, inner) in places
            .iter_mut()
            .zip(shares.split(&mut inner, self.rank, size))
        {
            place.extend(inner);
        }
        if self.conv.transposed {
            up(geometry, x, weight, finish, places);
        } else {
            down(geometry, x, weight, finish, places);
        }
        [y, inner]
    }
}
