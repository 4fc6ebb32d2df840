//! The activation behind a convolution or norm, and what comes before it.

use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, relu};

/// What follows a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// max(x, 0).
    Relu,
    /// x above zero and `slope`·x below; the slope must be above zero.
    LeakyRelu(f64),
}

impl Activation {
    /// By tensor operations.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => x,
            Self::Relu => relu(x),
            Self::LeakyRelu(slope) => leaky_relu(x, slope),
        }
    }

    /// Whether the kernels know the derivative from the output's sign.
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

/// `x`, times `slope` where it is below zero.
#[cfg(feature = "flex")]
#[inline(always)]
pub(crate) fn activate(x: f32, slope: f32) -> f32 {
    // 0·∞ would be no number.
    let low = if slope == 0.0 { 0.0 } else { x * slope };
    if x < 0.0 { low } else { x }
}

/// The gradient before the activation, from the one behind it and the output.
#[cfg(feature = "flex")]
#[inline(always)]
pub(crate) fn deactivate(gradient: f32, output: f32, slope: f32) -> f32 {
    let low = if slope == 0.0 { 0.0 } else { gradient * slope };
    if output > 0.0 { gradient } else { low }
}
