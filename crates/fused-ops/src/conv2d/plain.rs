//! The kernel of a convolution and of a transposed one.

use super::finish::Finish;
use super::sized::SizedConv;
use super::sums::{before_activation, channel_sums};
use crate::kernel::{Dense, Kernel, Slot};

#[derive(Clone, Debug)]
pub(super) struct Convolution {
    pub(super) conv: SizedConv,
    /// The slope of the activation below zero; 1 if there is none.
    pub(super) slope: f32,
}

#[derive(Clone, Debug)]
pub(super) struct ConvolutionInputs<T> {
    pub(super) x: T,
    pub(super) weight: T,
    pub(super) bias: Option<T>,
}

impl Kernel for Convolution {
    type Inputs<T: Slot> = ConvolutionInputs<T>;
    /// The output, if there is an activation.
    type Kept = Option<Dense>;

    fn map<T: Slot, U: Slot>(
        inputs: ConvolutionInputs<T>,
        mut f: impl FnMut(T) -> U,
    ) -> ConvolutionInputs<U> {
        ConvolutionInputs {
            x: f(inputs.x),
            weight: f(inputs.weight),
            bias: inputs.bias.map(f),
        }
    }

    fn forward(&self, inputs: &ConvolutionInputs<Dense>) -> (Dense, Option<Dense>) {
        let (channels, _) = self.conv.outputs();
        let finish = Finish {
            bias: inputs.bias.as_ref().map(Dense::values),
            slope: self.slope,
            channels,
        };
        let (x, weight) = (inputs.x.values(), inputs.weight.values());
        let y = Dense::new(
            self.conv.forward(x, weight, finish),
            &self.conv.output_dims(),
        );
        let kept = (self.slope != 1.0).then(|| y.clone());
        (y, kept)
    }

    fn backward(
        &self,
        inputs: &ConvolutionInputs<Dense>,
        kept: &Option<Dense>,
        gradient: &Dense,
        wanted: &ConvolutionInputs<bool>,
    ) -> ConvolutionInputs<Option<Dense>> {
        let (x, weight) = (inputs.x.values(), inputs.weight.values());
        let before =
            (kept.as_ref()).map(|y| before_activation(gradient.values(), y.values(), self.slope));
        let dy = before.as_deref().unwrap_or(gradient.values());
        let (channels, pixels) = self.conv.outputs();
        ConvolutionInputs {
            x: wanted.x.then(|| self.conv.input_gradient(dy, weight)),
            weight: wanted.weight.then(|| {
                let gradient = self.conv.weight_gradient(x, dy);
                Dense::new(gradient, &inputs.weight.dims::<4>())
            }),
            bias: (wanted.bias).map(|wanted| {
                wanted.then(|| Dense::new(channel_sums(dy, channels, pixels), &[channels]))
            }),
        }
    }
}
