//! Resizing as the reference does it.

mod apply;
mod host;
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
}

impl ResizeMode {
    /// The reference's name for it: `clean`, `legacy_pytorch`, `legacy_tensorflow`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::LegacyPytorch => "legacy_pytorch",
            Self::LegacyTensorflow => "legacy_tensorflow",
        }
    }

    /// Brings `picture` to `height × width` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::PictureSize`] if a target side is 0.
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
