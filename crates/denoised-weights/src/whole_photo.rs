//! Photos of any size, as a convolutional network takes them.

use concepts::images::scale_image;
use image::RgbImage;
use image::imageops::crop_imm;

use crate::Error;
use crate::error::Result;

/// What the sides of the network's input are multiples of.
const STRIDE: u32 = 8;
/// The network's smallest input.
const SMALLEST: u32 = 16;
/// How photos that are edited as a whole are scaled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WholeSize {
    /// Not at all.
    Own,
    /// To this many pixels along the shorter side.
    ShorterSide(u32),
}

impl WholeSize {
    /// Pixels of the largest photo that is edited as a whole. The time of the network's attention grows with the square of
    /// the pixels; on a CPU the shipped base takes about 300 MiB in all for such a photo.
    pub const MAX_PIXELS: u64 = 1 << 20;
}

/// Scales `photo`.
///
/// # Errors
/// Returns [`Error::Concepts`] if it has no pixels or the size is not one that images have, and [`Error::PhotoTooLarge`].
pub(crate) fn scaled(photo: RgbImage, size: WholeSize) -> Result<RgbImage> {
    let photo = match size {
        WholeSize::Own => photo,
        WholeSize::ShorterSide(side) => scale_image(photo, side as usize)?,
    };
    let pixels = u64::from(photo.width()) * u64::from(photo.height());
    if pixels == 0 {
        let path = "image".into();
        return Err(concepts::Error::NoPixels { path }.into());
    }
    if pixels > WholeSize::MAX_PIXELS {
        return Err(Error::PhotoTooLarge {
            width: photo.width(),
            height: photo.height(),
            max: WholeSize::MAX_PIXELS,
        });
    }
    Ok(photo)
}

/// The photo with its right and bottom edges mirrored up to sides that the network takes.
pub(crate) fn padded(photo: &RgbImage) -> RgbImage {
    let (width, height) = photo.dimensions();
    let [wide, high] = [width, height].map(|side| side.max(SMALLEST).next_multiple_of(STRIDE));
    if (wide, high) == (width, height) {
        return photo.clone();
    }
    RgbImage::from_fn(wide, high, |x, y| {
        *photo.get_pixel(mirrored(x, width), mirrored(y, height))
    })
}

/// The upper left part of an edit, as large as the photo was before it was padded.
pub(crate) fn cut_back(edited: &RgbImage, (width, height): (u32, u32)) -> RgbImage {
    crop_imm(edited, 0, 0, width, height).to_image()
}

/// The position in 0..`side` that `at` is the mirror image of; the edge itself occurs once.
fn mirrored(at: u32, side: u32) -> u32 {
    if side == 1 {
        return 0;
    }
    let period = 2 * (side - 1);
    let at = at % period;
    at.min(period - at)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn photos_are_mirrored_up_to_the_stride_and_cut_back() {
        let photo = RgbImage::from_fn(19, 5, |x, y| Rgb([x as u8, y as u8, 0]));
        let wide = padded(&photo);
        assert_eq!(wide.dimensions(), (24, 16));
        let column = |x| wide.get_pixel(x, 0).0[0];
        assert_eq!([18, 19, 20, 23].map(column), [18, 17, 16, 13]);
        let row = |y| wide.get_pixel(0, y).0[1];
        assert_eq!([4, 5, 8, 9, 12].map(row), [4, 3, 0, 1, 4]);
        assert_eq!(cut_back(&wide, photo.dimensions()), photo);
        let exact = RgbImage::new(24, 16);
        assert_eq!(padded(&exact), exact);
        let dot = RgbImage::from_pixel(1, 1, Rgb([7; 3]));
        assert!(padded(&dot).pixels().all(|pixel| pixel.0 == [7; 3]));
    }

    #[test]
    fn photos_that_are_too_large_are_refused_by_name() {
        let photo = RgbImage::new(2048, 600);
        let error = scaled(photo.clone(), WholeSize::Own)
            .unwrap_err()
            .to_string();
        assert!(error.contains("2048×600"), "{error}");
        let small = scaled(photo, WholeSize::ShorterSide(150)).unwrap();
        assert_eq!(small.dimensions(), (512, 150));
        assert!(scaled(RgbImage::new(0, 3), WholeSize::Own).is_err());
        assert!(scaled(RgbImage::new(3, 3), WholeSize::ShorterSide(0)).is_err());
    }
}
