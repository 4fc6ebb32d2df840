//! Resizing on the device, as two matrix products: Burn's own `interpolate` darkens the border of images that it
//! enlarges on some devices (docs/devices.md).

use burn::tensor::{Device, Tensor, TensorData};

use super::taps::Taps;

/// A filter of `torch.nn.functional.interpolate` with `align_corners=False` and no antialiasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// `mode="bilinear"`.
    Bilinear,
    /// `mode="bicubic"`: overshoots are kept.
    Bicubic,
}

/// `[B, C, H, W]` to `[B, C, size, size]`.
pub(crate) fn resize(images: Tensor<4>, filter: Filter, size: usize) -> Tensor<4> {
    let [_, _, height, width] = images.dims();
    let device = images.device();
    let columns = filter.matrix(width, size, &device).transpose();
    let rows = filter.matrix(height, size, &device);
    rows.unsqueeze::<4>()
        .matmul(images.matmul(columns.unsqueeze::<4>()))
}

impl Filter {
    /// `[output, input]`: what each target position takes of each source position.
    fn matrix(self, input: usize, output: usize, device: &Device) -> Tensor<2> {
        let taps = match self {
            Self::Bilinear => Taps::bilinear_centred(input, output),
            Self::Bicubic => Taps::bicubic_centred(input, output),
        };
        let mut values = vec![0.0; output * input];
        for (row, run) in values.chunks_exact_mut(input).zip(&taps.runs) {
            for (value, weight) in row[run.start..].iter_mut().zip(taps.weights(run)) {
                *value = *weight as f32;
            }
        }
        Tensor::from_data(TensorData::new(values, [output, input]), device)
    }
}
