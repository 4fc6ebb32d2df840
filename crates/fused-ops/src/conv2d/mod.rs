//! Convolutions of images, `[B, C, H, W]`.

mod adapted;
#[cfg(feature = "flex")]
mod finish;
#[cfg(feature = "flex")]
mod gather;
#[cfg(feature = "flex")]
mod geometry;
#[cfg(feature = "flex")]
mod narrow;
#[cfg(feature = "flex")]
mod plain;
#[cfg(feature = "flex")]
mod products;
#[cfg(feature = "flex")]
mod sized;
#[cfg(feature = "flex")]
mod sums;
#[cfg(feature = "flex")]
mod tiles;

#[cfg(test)]
mod tests;

use burn::tensor::Tensor;
use burn::tensor::module as burn_module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

pub use self::adapted::{AdaptedConv2d, ConvKind, LowRank};
use crate::Activation;

/// A convolution with zero padding and what follows it: `[B, c, H, W]` and `[f, c, kh, kw]` →
/// `[B, f, H', W']`, H' = ⌊(H + 2·padding − kh)/stride⌋ + 1.
///
/// Composed: Burn's `conv2d` and the activation. The kernel gathers what a few hundred output pixels read
/// into a matrix that fits the cache, multiplies, and adds bias and activation as it writes the output.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    activation: Activation,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = run(
        &x,
        &weight,
        bias.as_ref(),
        ConvKind::Down { stride, padding },
        activation,
    ) {
        return y;
    }
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    activation.apply(burn_module::conv2d(x, weight, bias, options))
}

/// A transposed convolution and what follows it: `[B, f, H, W]` and `[f, c, kh, kw]` →
/// `[B, c, H', W']`, H' = (H − 1)·stride + kh + output_padding − 2·padding.
///
/// Composed: Burn's `conv_transpose2d` and the activation.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    output_padding: usize,
    activation: Activation,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(y) = run(
        &x,
        &weight,
        bias.as_ref(),
        ConvKind::Up {
            stride,
            padding,
            output_padding,
        },
        activation,
    ) {
        return y;
    }
    let options =
        ConvTransposeOptions::new([stride; 2], [padding; 2], [output_padding; 2], [1, 1], 1);
    activation.apply(burn_module::conv_transpose2d(x, weight, bias, options))
}

#[cfg(feature = "flex")]
fn run(
    x: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    kind: ConvKind,
    activation: Activation,
) -> Option<Tensor<4>> {
    use crate::kernel::{Input, apply};

    let conv = sized::SizedConv::new(kind, x.dims(), weight.dims())?;
    let (channels, _) = conv.outputs();
    if !activation.fits() || bias.is_some_and(|bias| bias.dims() != [channels]) {
        return None;
    }
    let kernel = plain::Convolution {
        conv,
        slope: activation.slope(),
    };
    let inputs = plain::ConvolutionInputs {
        x: Input::of(x),
        weight: Input::of(weight),
        bias: bias.map(Input::of),
    };
    apply(kernel, inputs)
}
