//! A convolution with equalised learning rate, optionally halving the size.

use std::f64::consts::SQRT_2;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fused_ops::{Activation, conv2d};
use rand_chacha::ChaCha8Rng;

use super::dense::lrelu;
use super::resample::{blur_before_downsampling, downsample2};
use crate::penalties::Dual;
use lora_gan::init::normal;

/// `[B, c, H, W]` → `[B, f, H, W]`, or half of H and W behind a low-pass filter; StyleGAN2's leaky
/// ReLU follows if there is a bias.
#[derive(Module, Debug)]
pub(crate) struct EqualConv {
    /// `[f, c, k, k]`, N(0, 1) at the start, times 1/√(c·k²) at run time.
    pub(crate) weight: Param<Tensor<4>>,
    /// `[f]`; `None` on a residual path.
    pub(crate) bias: Option<Param<Tensor<1>>>,
    down: bool,
}

impl EqualConv {
    pub(crate) fn new(
        [input, output, kernel]: [usize; 3],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let shape = [output, input, kernel, kernel];
        let weight = TensorData::new(normal(shape.iter().product(), 1.0, rng), shape);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, device)),
            bias: Some(Param::from_tensor(Tensor::zeros([output], device))),
            down: false,
        }
    }

    pub(crate) fn down(mut self) -> Self {
        self.down = true;
        self
    }

    pub(crate) fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.convolve(x);
        match &self.bias {
            Some(bias) => lrelu(y + bias.val().reshape([1, -1, 1, 1])),
            None => y,
        }
    }

    pub(crate) fn forward_dual(&self, x: Dual<4>) -> Dual<4> {
        let y = x.linear(|t| self.convolve(t));
        match &self.bias {
            Some(bias) => y
                .shift(bias.val().reshape([1, -1, 1, 1]))
                .leaky_relu(SQRT_2),
            None => y,
        }
    }

    fn convolve(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let [_, c, k, _] = weight.dims();
        let weight = weight.mul_scalar(1.0 / ((c * k * k) as f64).sqrt());
        // A 1×1 kernel commutes with the filter, and is cheaper behind it.
        let (x, stride, pad) = match (self.down, k) {
            (false, _) => (x, 1, k / 2),
            (true, 1) => (downsample2(x), 1, 0),
            (true, _) => (blur_before_downsampling(x), 2, 0),
        };
        conv2d(x, weight, None, stride, pad, Activation::None)
    }
}
