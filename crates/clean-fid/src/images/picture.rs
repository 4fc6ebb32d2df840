//! One colour image on the host.

use crate::Error;

/// A colour image: three planes (red, green, blue), row-major, sRGB in 0..255 as 32-bit floats.
///
/// Files and resizes work on this scale, as in the reference implementations; [`FeatureNet`](crate::FeatureNet) takes tensors
/// in 0..1.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    planes: Vec<f32>,
    width: usize,
    height: usize,
}

impl Picture {
    /// From consecutive planes: `3 × height × width` values.
    ///
    /// # Errors
    ///
    /// Returns [`Error::PictureSize`] if a side is 0, or unless there are `3 × height × width` values.
    pub fn from_planes(planes: Vec<f32>, width: usize, height: usize) -> Result<Self, Error> {
        check_size(planes.len(), width, height)?;
        Ok(Self {
            planes,
            width,
            height,
        })
    }

    /// From bytes in the order of most image libraries: red, green and blue of the first pixel, then of the next.
    ///
    /// # Errors
    ///
    /// As [`from_planes`](Self::from_planes).
    pub fn from_rgb8(pixels: &[u8], width: usize, height: usize) -> Result<Self, Error> {
        check_size(pixels.len(), width, height)?;
        let area = width * height;
        let mut planes = vec![0.0; pixels.len()];
        for (at, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
            for (channel, value) in pixel.iter().enumerate() {
                planes[channel * area + at] = f32::from(*value);
            }
        }
        Ok(Self {
            planes,
            width,
            height,
        })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All values: the red plane, the green one, the blue one.
    pub fn planes(&self) -> &[f32] {
        &self.planes
    }

    /// All values, by value.
    pub fn into_planes(self) -> Vec<f32> {
        self.planes
    }
}

fn check_size(values: usize, width: usize, height: usize) -> Result<(), Error> {
    let expected = width.checked_mul(height).and_then(|n| n.checked_mul(3));
    if values > 0 && expected == Some(values) {
        Ok(())
    } else {
        Err(Error::PictureSize {
            values,
            width,
            height,
        })
    }
}
