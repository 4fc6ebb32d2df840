//! A (transposed) convolution of pix2pix and the norm that follows.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fused_ops::{Activation, conv_transpose2d, conv2d, reflect_pad2d};
use rand_chacha::ChaCha8Rng;

use lora_gan::NormKind;
use lora_gan::init::normal;
use lora_gan::layers::Norm;

/// How a [`ConvLayer`] treats its input's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resize {
    /// Stride 1, reflection padding.
    Keep,
    /// Stride 2, zero padding.
    Half,
    /// Transposed, stride 2, padding 1, output padding 1.
    Double,
}

/// Convolution → norm, with pix2pix's N(0, 0.02) weights and zero bias.
#[derive(Module, Debug)]
pub(crate) struct ConvLayer {
    /// `[f, c, k, k]`, or `[c, f, k, k]` when transposed (PyTorch's layout).
    pub(crate) weight: Param<Tensor<4>>,
    /// `[f]`; `None` before a batch norm.
    pub(crate) bias: Option<Param<Tensor<1>>>,
    /// `None` after the last convolution.
    pub(crate) norm: Option<Norm>,
    half: bool,
    double: bool,
}

impl ConvLayer {
    pub(crate) fn new(
        [input, output, kernel]: [usize; 3],
        resize: Resize,
        norm: Option<NormKind>,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let double = resize == Resize::Double;
        let shape = if double {
            [input, output, kernel, kernel]
        } else {
            [output, input, kernel, kernel]
        };
        let weight = TensorData::new(normal(shape.iter().product(), 0.02, rng), shape);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, device)),
            bias: norm
                .is_none_or(NormKind::conv_has_bias)
                .then(|| Param::from_tensor(Tensor::zeros([output], device))),
            norm: norm.map(|kind| Norm::new(kind, output, rng, device)),
            half: resize == Resize::Half,
            double,
        }
    }

    /// `activation` follows the norm.
    pub(crate) fn forward(&self, x: Tensor<4>, train: bool, activation: Activation) -> Tensor<4> {
        let first = match &self.norm {
            Some(_) => Activation::None,
            None => activation,
        };
        let weight = self.weight.val();
        let bias = self.bias.as_ref().map(Param::val);
        let y = if self.double {
            conv_transpose2d(x, weight, bias, 2, 1, 1, first)
        } else if self.half {
            conv2d(x, weight, bias, 2, 1, first)
        } else {
            let x = reflect_pad2d(x, (weight.dims()[2] - 1) / 2);
            conv2d(x, weight, bias, 1, 0, first)
        };
        match &self.norm {
            Some(norm) => norm.forward(y, train, activation),
            None => y,
        }
    }
}
