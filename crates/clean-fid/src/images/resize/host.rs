//! A resize with its target size.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::ResizeMode;
use crate::images::readback::to_f32;
use crate::{Error, Picture};

/// The resize that a network needs for each image, done on the host before images share a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostResize {
    /// How.
    pub mode: ResizeMode,
    /// Target rows.
    pub height: usize,
    /// Target pixels in a row.
    pub width: usize,
}

impl HostResize {
    /// Resizes one image.
    ///
    /// # Errors
    ///
    /// As [`ResizeMode::resize`].
    pub fn apply(&self, picture: &Picture) -> Result<Picture, Error> {
        self.mode.resize(picture, self.height, self.width)
    }

    /// Resizes a batch `[B, 3, H, W]` in 0..1 to `[B, 3, height, width]` in 0..1 on the same device, by way of the
    /// host. Values are not rounded to bytes first, and a batch of the right size is returned unchanged.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Readback`] if the batch cannot be read from the device, and the errors of [`apply`](Self::apply).
    pub fn apply_batch(&self, images: Tensor<4>) -> Result<Tensor<4>, Error> {
        let [_, channels, height, width] = images.dims();
        if [height, width] == [self.height, self.width] {
            return Ok(images);
        }
        let device = images.device();
        let values = to_f32(images, "images")?;
        let resized: Vec<Picture> = values
            .par_chunks_exact((channels * height * width).max(1))
            .map(|image| {
                let planes = image.iter().map(|v| v * 255.0).collect();
                self.apply(&Picture::from_planes(planes, width, height)?)
            })
            .collect::<Result<_, Error>>()?;
        Ok(to_batch(&resized, self.height, self.width, &device))
    }
}

/// Pictures of `height × width` as a batch `[B, 3, height, width]` in 0..1.
pub(crate) fn to_batch(
    pictures: &[Picture],
    height: usize,
    width: usize,
    device: &Device,
) -> Tensor<4> {
    let values: Vec<f32> = pictures
        .iter()
        .flat_map(|picture| picture.planes().iter().map(|v| v / 255.0))
        .collect();
    let shape = [pictures.len(), 3, height, width];
    Tensor::from_data(TensorData::new(values, shape), device)
}
