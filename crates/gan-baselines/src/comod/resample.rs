//! Resampling with the filter [1, 3, 3, 1] (StyleGAN2's `upfirdn2d`), as depthwise convolutions.

use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData};

const TAPS: [f32; 4] = [1.0, 3.0, 3.0, 1.0];

/// The filter for each of `channels`, its values summing to `gain`: `[C, 1, 4, 4]`. It is
/// symmetric, so correlation and convolution are one.
fn filter(channels: usize, gain: f32, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = TAPS
        .iter()
        .flat_map(|a| TAPS.map(|b| a * b * gain / 64.0))
        .collect();
    Tensor::<4>::from_data(TensorData::new(values, [1, 1, 4, 4]), device)
        .expand([channels, 1, 4, 4])
}

fn filtered(x: Tensor<4>, gain: f32, pad: usize, stride: usize) -> Tensor<4> {
    let channels = x.dims()[1];
    let filter = filter(channels, gain, &x.device());
    let options = ConvOptions::new([stride; 2], [pad; 2], [1, 1], channels);
    conv2d(x, filter, None, options)
}

/// After a transposed 3×3 convolution of stride 2: `[B, C, 2H+1, 2W+1]` → `[B, C, 2H, 2W]`, gain 4.
pub(crate) fn blur_after_upsampling(x: Tensor<4>) -> Tensor<4> {
    filtered(x, 4.0, 1, 1)
}

/// Before a 3×3 convolution of stride 2 without padding: `[B, C, H, W]` → `[B, C, H+1, W+1]`.
pub(crate) fn blur_before_downsampling(x: Tensor<4>) -> Tensor<4> {
    filtered(x, 1.0, 2, 1)
}

/// Half the size, `[B, C, 2H, 2W]` → `[B, C, H, W]`, as stylegan2-ada's `downsample2d`.
pub(crate) fn downsample2(x: Tensor<4>) -> Tensor<4> {
    filtered(x, 1.0, 1, 2)
}

/// Twice the size, `[B, C, H, W]` → `[B, C, 2H, 2W]`, as stylegan2-ada's `upsample2d`.
pub(crate) fn upsample2(x: Tensor<4>) -> Tensor<4> {
    let channels = x.dims()[1];
    let filter = filter(channels, 4.0, &x.device());
    let options = ConvTransposeOptions::new([2, 2], [1, 1], [0, 0], [1, 1], channels);
    conv_transpose2d(x, filter, None, options)
}
