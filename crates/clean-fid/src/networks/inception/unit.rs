//! Convolution with activation.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// Convolution and ReLU; the batch norm between them is folded into the convolution's weights.
#[derive(Module, Debug)]
pub(super) struct Unit {
    pub(super) conv: Conv2d,
}

impl Unit {
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.conv.forward(input).clamp_min(0.0)
    }

    /// [`forward`](Self::forward) of the mean over neighbours that `mean` takes. Since the convolution has a kernel of
    /// 1 × 1, the mean can be taken after it, where there are fewer channels.
    pub(super) fn forward_mean(
        &self,
        input: Tensor<4>,
        mean: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<4> {
        mean(self.conv.forward(input)).clamp_min(0.0)
    }
}

/// One unit after the other.
pub(super) fn chain(units: &[Unit], input: Tensor<4>) -> Tensor<4> {
    units.iter().fold(input, |x, unit| unit.forward(x))
}
