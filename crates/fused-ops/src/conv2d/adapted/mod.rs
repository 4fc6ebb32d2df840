//! A frozen convolution with a low-rank update, a gain and a bias per channel, and an activation.

#[cfg(feature = "flex")]
mod gradients;
#[cfg(feature = "flex")]
mod kernel;

use burn::tensor::Tensor;

use super::{conv_transpose2d, conv2d};
use crate::Activation;

/// Which of the two convolutions a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvKind {
    /// [`conv2d`], weight `[f, c, kh, kw]`.
    Down {
        /// Input pixels between neighbouring outputs.
        stride: usize,
        /// Zeros on each side.
        padding: usize,
    },
    /// [`conv_transpose2d`], weight `[c, f, kh, kw]`.
    Up {
        /// Output pixels between neighbouring inputs.
        stride: usize,
        /// Pixels cut off on each side.
        padding: usize,
        /// Pixels added at the end.
        output_padding: usize,
    },
}

/// The update `scale · up · down` of a convolution's flattened weight, `[f, c·kh·kw]`.
#[derive(Debug, Clone)]
pub struct LowRank {
    /// `[r, c·kh·kw]`.
    pub down: Tensor<2>,
    /// `[f, r]`.
    pub up: Tensor<2>,
    /// The factor of the product.
    pub scale: f64,
}

impl LowRank {
    /// `weight` with the update added: `[f, c, kh, kw]`, or `[c, f, kh, kw]` of a `transposed` convolution.
    pub fn add_to(self, weight: Tensor<4>, transposed: bool) -> Tensor<4> {
        let [a, b, kh, kw] = weight.dims();
        let delta = self.up.matmul(self.down).mul_scalar(self.scale);
        weight
            + if transposed {
                delta.reshape([b, a, kh, kw]).swap_dims(0, 1)
            } else {
                delta.reshape([a, b, kh, kw])
            }
    }
}

/// A convolution whose weight is frozen and whose update, gain and bias are trained.
///
/// `y = activation(gain ⊙ ((W + scale·up·down) * x) + bias)` for `x` `[B, c, H, W]`. Composed: one
/// convolution with the merged weight times the gain. The kernel's forward pass is that too; its
/// backward pass does not form the gradient of the whole weight, a third of all arithmetic, only to project
/// it on a few rows: the update's gradients come from the r channels `down * x`, which the forward pass keeps.
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor};
/// use fused_ops::{Activation, AdaptedConv2d, ConvKind, LowRank};
///
/// let device = Device::flex();
/// let layer = AdaptedConv2d {
///     weight: Tensor::random([8, 4, 3, 3], Distribution::Default, &device),
///     bias: Tensor::zeros([8], &device),
///     gain: None,
///     update: Some(LowRank {
///         down: Tensor::random([2, 4 * 3 * 3], Distribution::Default, &device),
///         up: Tensor::zeros([8, 2], &device),
///         scale: 1.0,
///     }),
///     kind: ConvKind::Down { stride: 2, padding: 1 },
///     activation: Activation::Relu,
/// };
/// let x = Tensor::zeros([1, 4, 16, 16], &device);
/// assert_eq!(layer.forward(x).dims(), [1, 8, 8, 8]);
/// ```
#[derive(Debug, Clone)]
pub struct AdaptedConv2d {
    /// W, as [`ConvKind`] says.
    pub weight: Tensor<4>,
    /// `[f]`, added after the gain.
    pub bias: Tensor<1>,
    /// `[f]`; `None` is a gain of one.
    pub gain: Option<Tensor<1>>,
    /// `None` leaves W as it is.
    pub update: Option<LowRank>,
    /// Direction, stride and padding.
    pub kind: ConvKind,
    /// What follows the bias.
    pub activation: Activation,
}

impl AdaptedConv2d {
    /// `[B, c, H, W]` → `[B, f, H', W']`.
    ///
    /// # Panics
    /// Panics if the shapes do not fit, as the tensor operations do.
    pub fn forward(self, x: Tensor<4>) -> Tensor<4> {
        #[cfg(feature = "flex")]
        if let Some(y) = kernel::run(&self, &x) {
            return y;
        }
        self.compose(x)
    }

    pub(in crate::conv2d) fn compose(self, x: Tensor<4>) -> Tensor<4> {
        let [a, b, _, _] = self.weight.dims();
        let transposed = matches!(self.kind, ConvKind::Up { .. });
        let mut weight = self.weight;
        if let Some(update) = self.update {
            weight = update.add_to(weight, transposed);
        }
        if let Some(gain) = self.gain {
            weight = weight
                * if transposed {
                    gain.reshape([1, b, 1, 1])
                } else {
                    gain.reshape([a, 1, 1, 1])
                };
        }
        match self.kind {
            ConvKind::Down { stride, padding } => {
                conv2d(x, weight, Some(self.bias), stride, padding, self.activation)
            }
            ConvKind::Up {
                stride,
                padding,
                output_padding,
            } => conv_transpose2d(
                x,
                weight,
                Some(self.bias),
                stride,
                padding,
                output_padding,
                self.activation,
            ),
        }
    }
}
