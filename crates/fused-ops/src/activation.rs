//! The activation that follows a convolution or a norm.

use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu};

/// What follows a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// max(x, 0).
    Relu,
    /// x above zero and `slope`·x below. The kernels need a slope above zero; with any other, the layer is composed of
    /// Burn's operations.
    LeakyRelu(f64),
}

impl Activation {
    /// Applies it by tensor operations.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => leaky_relu(x, slope),
        }
    }

    /// Whether the output's sign gives the derivative, which is all that the kernels keep of the input.
    #[cfg(feature = "flex")]
    pub(crate) fn fits(self) -> bool {
        !matches!(self, Self::LeakyRelu(slope) if slope <= 0.0)
    }

    /// The factor below zero.
    #[cfg(feature = "flex")]
    pub(crate) fn slope(self) -> f32 {
        match self {
            Self::None => 1.0,
            Self::Relu => 0.0,
            Self::LeakyRelu(slope) => slope as f32,
        }
    }
}

/// `x`, times `slope` if it is below zero.
#[cfg(feature = "flex")]
#[inline(always)]
pub(crate) fn activate(x: f32, slope: f32) -> f32 {
    // 0·∞ would be NaN.
    let low = if slope == 0.0 { 0.0 } else { x * slope };
    if x < 0.0 { low } else { x }
}

/// The gradient of the activation's input, from that of its output and the output itself.
#[cfg(feature = "flex")]
#[inline(always)]
pub(crate) fn deactivate(gradient: f32, output: f32, slope: f32) -> f32 {
    let low = if slope == 0.0 { 0.0 } else { gradient * slope };
    if output > 0.0 { gradient } else { low }
}
