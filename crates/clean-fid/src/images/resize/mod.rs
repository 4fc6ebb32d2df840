//! Resizing as in the reference implementations.

mod apply;
mod host;
pub(crate) mod products;
mod taps;

use burn::config::Config;

use crate::{Error, Picture};

pub use host::HostResize;
pub(crate) use host::to_batch;

/// The resize that comes before a feature network: the modes of the Python `clean-fid`. Parmar et al., 2022, show how
/// much a value depends on it.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum ResizeMode {
    /// PIL's bicubic filter (a = -0.5), widened when the image shrinks so that nothing aliases, on each channel in
    /// floats; overshoots are cut to 0..255 and values are not rounded.
    Clean,
    /// PyTorch's bilinear interpolation without antialiasing (`align_corners=False`), as `pytorch-fid` has it.
    LegacyPytorch,
    /// The first TensorFlow's bilinear interpolation: corners aligned to corners of pixels and not their centres, no
    /// antialiasing, as the original FID has it.
    LegacyTensorflow,
    /// The preparation for CLIP: resized to the smallest picture of the same aspect ratio that covers the target, by PIL's
    /// bicubic filter on bytes, rounded after each axis; then cropped to the middle. Not a mode of the Python `clean-fid`,
    /// but what its `clip_vit_b_32` does.
    CoverCrop,
}

impl ResizeMode {
    /// The reference's name for it, `clean`, `legacy_pytorch` or `legacy_tensorflow`; or `cover_crop`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::LegacyPytorch => "legacy_pytorch",
            Self::LegacyTensorflow => "legacy_tensorflow",
            Self::CoverCrop => "cover_crop",
        }
    }

    /// Resizes `picture` to `height × width` pixels.
    ///
    /// # Errors
    ///
    /// Returns [`Error::PictureSize`] if a target side is 0.
    pub fn resize(self, picture: &Picture, height: usize, width: usize) -> Result<Picture, Error> {
        if height == 0 || width == 0 {
            return Err(Error::PictureSize {
                values: 0,
                width,
                height,
            });
        }
        if (picture.height(), picture.width()) == (height, width) {
            return Ok(picture.clone());
        }
        let taps = match self {
            Self::Clean => taps::Taps::bicubic,
            Self::LegacyPytorch => taps::Taps::bilinear_centred,
            Self::LegacyTensorflow => taps::Taps::bilinear_corner,
            Self::CoverCrop => return cover_crop(picture, height, width),
        };
        let columns = taps(picture.width(), width);
        let rows = taps(picture.height(), height);
        let area = picture.width() * picture.height();
        let planes = picture
            .planes()
            .chunks_exact(area)
            .flat_map(|plane| apply::resample(plane, picture.width(), &columns, &rows))
            .map(|v| v.clamp(0.0, 255.0))
            .collect();
        Picture::from_planes(planes, width, height)
    }
}

/// `torchvision`'s `Resize` and `CenterCrop` on a picture of bytes.
fn cover_crop(picture: &Picture, height: usize, width: usize) -> Result<Picture, Error> {
    let (own_height, own_width) = (picture.height(), picture.width());
    let scaled = |side: usize, target: usize, other: usize| {
        (side as u128 * target as u128 / other as u128) as usize
    };
    let by_width = own_width as u128 * height as u128 <= own_height as u128 * width as u128;
    let (full_height, full_width) = if by_width {
        (scaled(own_height, width, own_width), width)
    } else {
        (height, scaled(own_width, height, own_height))
    };
    let columns = middle(own_width, full_width, width);
    let rows = middle(own_height, full_height, height);
    let planes = picture
        .planes()
        .chunks_exact(own_width * own_height)
        .flat_map(|plane| apply::resample_bytes(plane, own_width, &columns, &rows))
        .collect();
    Picture::from_planes(planes, width, height)
}

/// Taps for the `part` positions in the middle of `full`. Half a position is rounded to even, as in Python.
fn middle(input: usize, full: usize, part: usize) -> taps::Taps {
    let (half, odd) = ((full - part) / 2, (full - part) % 2);
    let start = half + (half % 2) * odd;
    taps::Taps::bicubic_part(input, full, start..start + part)
}
