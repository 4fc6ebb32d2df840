//! StyleGAN2's modulated convolution.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fused_ops::{Activation, conv_transpose2d, conv2d};
use rand_chacha::ChaCha8Rng;

use super::dense::EqualLinear;
use super::resample::blur_after_upsampling;
use lora_gan::init::normal;

/// A convolution whose input channels are scaled by a style (Karras et al., 2020, §2.2).
///
/// Demodulation divides each output channel by the deviation that unit-variance input would have,
/// `√(Σ (s·w)² + 1e-8)`. Both scales are applied to the activations, so that one convolution serves
/// the whole batch: the same sums as with a kernel per sample.
#[derive(Module, Debug)]
pub(crate) struct ModulatedConv {
    /// `[f, c, k, k]`; of an upsampling layer, as a transposed convolution takes it but with the
    /// output channels first.
    pub(crate) weight: Param<Tensor<4>>,
    /// `[B, M]` → style `[B, c]`, biases one at the start.
    pub(crate) affine: EqualLinear,
    up: bool,
    demodulate: bool,
}

impl ModulatedConv {
    pub(crate) fn new(
        [input, output, kernel]: [usize; 3],
        modulation: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let shape = [output, input, kernel, kernel];
        let weight = TensorData::new(normal(shape.iter().product(), 1.0, rng), shape);
        Self {
            weight: Param::from_tensor(Tensor::from_data(weight, device)),
            affine: EqualLinear::modulation([modulation, input], rng, device),
            up: false,
            demodulate: true,
        }
    }

    /// Doubles the size.
    pub(crate) fn up(mut self) -> Self {
        self.up = true;
        self
    }

    /// No demodulation; the kernel is scaled by 1/√(c·k²) instead.
    pub(crate) fn plain(mut self) -> Self {
        self.demodulate = false;
        self
    }

    /// `[B, c, H, W]` and the modulation `[B, M]` → `[B, f, H, W]`, or twice the size.
    pub(crate) fn forward(&self, x: Tensor<4>, modulation: Tensor<2>) -> Tensor<4> {
        let weight = self.weight.val();
        let [f, c, k, _] = weight.dims();
        let mut style = self.affine.forward(modulation);
        if !self.demodulate {
            style = style.mul_scalar(1.0 / ((c * k * k) as f64).sqrt());
        }
        let batch = style.dims()[0];
        let x = x * style.clone().reshape([batch, c, 1, 1]);
        let y = if self.up {
            let kernel = weight.clone().swap_dims(0, 1);
            blur_after_upsampling(conv_transpose2d(x, kernel, None, 2, 0, 0, Activation::None))
        } else {
            conv2d(x, weight.clone(), None, 1, k / 2, Activation::None)
        };
        if !self.demodulate {
            return y;
        }
        let power = weight.square().reshape([f, c, k * k]).sum_dim(2);
        let power = power.reshape([f, c]).transpose();
        let norm = style.square().matmul(power).add_scalar(1e-8).sqrt();
        y / norm.reshape([batch, f, 1, 1])
    }
}
