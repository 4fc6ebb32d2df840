//! A frozen (transposed) convolution with LoRA, the batch norm that follows, and the activation.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::module::batch_norm;
use burn::tensor::{Device, Tensor, TensorData};
use fused_ops::{
    Activation, AdaptedConv2d, ConvKind, LowRank, conv_transpose2d, conv2d, reflect_pad2d,
};
use rand_chacha::ChaCha8Rng;

use super::lora::{LoraLayer, LoraPair, LoraSpec};
use super::phases::balance;
use super::run::Run;
use crate::init::normal;
use crate::norm::batch_norm_with_running;

/// What a [`ConvUnit`] is made of.
#[derive(Debug, Clone)]
pub(crate) struct ConvUnitConfig {
    pub(crate) channels: [usize; 2],
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) transposed: bool,
    /// [`GeneratorConfig::balanced_up`](crate::GeneratorConfig::balanced_up)
    pub(crate) balanced: bool,
    pub(crate) reflect: bool,
    pub(crate) norm: bool,
    pub(crate) relu: bool,
}

/// Convolution (or transposed convolution) → batch norm → ReLU, the last two optional.
///
/// Shapes: `[B, c, H, W]` → `[B, f, H', W']`; stride 2 halves H and W, a transposed one doubles
/// them.
#[derive(Module, Debug)]
pub struct ConvUnit {
    /// Frozen kernel: `[f, c, k, k]`, or `[c, f, k, k]` when transposed (PyTorch's layout).
    pub weight: Param<Tensor<4>>,
    /// Frozen bias `[f]`.
    pub bias: Param<Tensor<1>>,
    /// The adapter's factors; `None` if the layer is not adapted.
    pub lora: Option<LoraPair>,
    /// The norm that follows. Its γ and β belong to the adapter's group.
    pub norm: Option<BatchNorm>,
    stride: usize,
    transposed: bool,
    balanced: bool,
    reflect: bool,
    relu: bool,
}

impl ConvUnit {
    /// A placeholder in a network that is still to be drawn.
    pub(crate) fn blank(device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([1; 4], device)),
            bias: Param::from_tensor(Tensor::zeros([1], device)),
            lora: None,
            norm: None,
            stride: 1,
            transposed: false,
            balanced: false,
            reflect: false,
            relu: false,
        }
    }

    pub(crate) fn new(config: &ConvUnitConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let [input, output] = config.channels;
        let k = config.kernel;
        let shape = if config.transposed {
            [input, output, k, k]
        } else {
            [output, input, k, k]
        };
        let fan_in = input * k * k;
        // He et al.'s deviation keeps the signal's scale through ReLU at any depth.
        let std = (2.0 / fan_in as f32).sqrt();
        let weight = normal(shape.iter().product(), std, rng);
        Self {
            weight: Param::from_tensor(Tensor::from_data(TensorData::new(weight, shape), device)),
            bias: Param::from_tensor(Tensor::zeros([output], device)),
            lora: None,
            norm: config
                .norm
                .then(|| BatchNormConfig::new(output).init(device)),
            stride: config.stride,
            transposed: config.transposed,
            balanced: config.balanced,
            reflect: config.reflect,
            relu: config.relu,
        }
    }

    /// Input channels times kernel area.
    fn fan_in(&self) -> usize {
        let [_, _, kh, kw] = self.weight.dims();
        self.channels()[0] * kh * kw
    }

    /// Input and output channels.
    fn channels(&self) -> [usize; 2] {
        let [a, b, _, _] = self.weight.dims();
        if self.transposed { [a, b] } else { [b, a] }
    }

    /// The base's kernel as it is computed with, projected if `balanced`.
    fn kernel(&self) -> Tensor<4> {
        self.projected(self.weight.val())
    }

    /// The adapter's `down`, likewise.
    fn down(&self, lora: &LoraPair) -> Tensor<2> {
        self.projected(lora.down.val())
    }

    /// Kernels, the taps of each in a row.
    fn projected<const D: usize>(&self, kernels: Tensor<D>) -> Tensor<D> {
        if !self.balanced {
            return kernels;
        }
        let (shape, [_, _, height, width]) = (kernels.dims(), self.weight.dims());
        let area = height * width;
        let taps = kernels.reshape([shape.iter().product::<usize>() / area, area]);
        balance(taps, self.stride).reshape(shape)
    }

    fn update(&self, lora: &LoraPair) -> LowRank {
        LowRank {
            down: self.down(lora),
            up: lora.up.val(),
            scale: lora.scale,
        }
    }

    /// Kernel with the adapter's update merged in, in the base's layout.
    fn merged_weight(&self) -> Tensor<4> {
        let weight = self.kernel();
        match &self.lora {
            None => weight,
            Some(lora) => self.update(lora).add_to(weight, self.transposed),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>, run: &mut Run) -> Tensor<4> {
        if run.is_adapted() {
            return self.adapted(x, run);
        }
        let (weight, bias) = (self.kernel(), Some(self.bias.val()));
        let Some(norm) = &self.norm else {
            return self.convolve(x, weight, bias, self.activation());
        };
        let y = self.convolve(x, weight, bias, Activation::None);
        let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
        if run.is_train() && y.device().is_autodiff() {
            let running = [&norm.running_mean, &norm.running_var];
            let (momentum, activation) = (norm.momentum, self.activation());
            let affine = (gamma, beta);
            return batch_norm_with_running(y, affine, running, momentum, norm.epsilon, activation);
        }
        let (mean, var) = (norm.running_mean.value(), norm.running_var.value());
        let y = batch_norm(y, gamma, beta, mean, var, norm.epsilon);
        self.activation().apply(y)
    }

    fn activation(&self) -> Activation {
        if self.relu {
            Activation::Relu
        } else {
            Activation::None
        }
    }

    /// The base's statistics are constants of the adapted network, so its norm is an affine map that
    /// folds into the convolution: no pass over the activations at all.
    fn adapted(&self, x: Tensor<4>, run: &mut Run) -> Tensor<4> {
        let (gain, bias) = match &self.norm {
            None => (None, self.bias.val()),
            Some(norm) => {
                let mean = norm.running_mean.value();
                let var = norm.running_var.value();
                let gain = norm.gamma.val() / (var + norm.epsilon).sqrt();
                let bias = (self.bias.val() - mean) * gain.clone() + norm.beta.val();
                (Some(gain), bias)
            }
        };
        let dropped = (self.lora.as_ref())
            .and_then(|lora| Some((lora, run.drop_lora_input(&x, lora.dropout)?)));
        let Some((lora, dropped)) = dropped else {
            let update = self.lora.as_ref().map(|lora| self.update(lora));
            return self.layer(x, gain, bias, update, self.activation());
        };
        // Dropout acts on the LoRA branch alone, so the two branches stay apart.
        let [_, _, kh, kw] = self.weight.dims();
        let [input, output] = self.channels();
        let rank = lora.down.dims()[0];
        let down = self.down(lora).reshape([rank, input, kh, kw]);
        let down = if self.transposed {
            down.swap_dims(0, 1)
        } else {
            down
        };
        let mut up = lora.scaled_up();
        if let Some(gain) = &gain {
            up = up * gain.clone().reshape([output, 1]);
        }
        let inner = self.convolve(dropped, down, None, Activation::None);
        let up = up.reshape([output, rank, 1, 1]);
        let update = conv2d(inner, up, None, 1, 0, Activation::None);
        let y = self.layer(x, gain, bias, None, Activation::None) + update;
        self.activation().apply(y)
    }

    fn layer(
        &self,
        x: Tensor<4>,
        gain: Option<Tensor<1>>,
        bias: Tensor<1>,
        update: Option<LowRank>,
        activation: Activation,
    ) -> Tensor<4> {
        let (x, shape) = self.padded(x);
        let layer = AdaptedConv2d {
            weight: self.kernel(),
            bias,
            gain,
            update,
            kind: shape,
            activation,
        };
        layer.forward(x)
    }

    /// The convolution's input, and its shape.
    fn padded(&self, x: Tensor<4>) -> (Tensor<4>, ConvKind) {
        let k = self.weight.dims()[2];
        let (stride, padding) = (self.stride, (k - 1) / 2);
        if self.transposed {
            // Exactly `stride` times the size: output padding 1 for 3×3 (pix2pix), none for 4×4.
            let output_padding = stride + 2 * padding - k;
            let shape = ConvKind::Up {
                stride,
                padding,
                output_padding,
            };
            return (x, shape);
        }
        if self.reflect && padding > 0 {
            let x = reflect_pad2d(x, padding);
            return (x, ConvKind::Down { stride, padding: 0 });
        }
        (x, ConvKind::Down { stride, padding })
    }

    fn convolve(
        &self,
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        activation: Activation,
    ) -> Tensor<4> {
        let (x, shape) = self.padded(x);
        match shape {
            ConvKind::Down { stride, padding } => {
                conv2d(x, weight, bias, stride, padding, activation)
            }
            ConvKind::Up {
                stride,
                padding,
                output_padding,
            } => conv_transpose2d(x, weight, bias, stride, padding, output_padding, activation),
        }
    }
}

impl LoraLayer for ConvUnit {
    fn lora(&self) -> Option<&LoraPair> {
        self.lora.as_ref()
    }

    fn lora_mut(&mut self) -> &mut Option<LoraPair> {
        &mut self.lora
    }

    fn set_lora(&mut self, spec: Option<LoraSpec>, rng: &mut ChaCha8Rng) {
        let (fan_in, [_, out]) = (self.fan_in(), self.channels());
        let device = self.weight.val().device();
        self.lora = spec.map(|spec| LoraPair::new(fan_in, out, spec, rng, &device));
    }

    fn merge(&mut self) {
        let merged = self.merged_weight();
        self.weight = self.weight.clone().map(|_| merged.detach());
        self.lora = None;
    }
}
