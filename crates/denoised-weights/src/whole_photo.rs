//! Photos of any size, as a convolutional network takes them.

use concepts::images::scale_image;
use image::RgbImage;
use image::imageops::crop_imm;

use crate::Error;
use crate::error::Result;

/// What the sides of the network's input are multiples of.
const STRIDE: u32 = 8;
/// Mirrored pixels on every side: the network's zero padding darkens the outermost ones, which are cut off again.
const MARGIN: u32 = 16;

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

/// The photo, mirrored beyond its edges: by a margin, and up to sides that the network takes.
pub(crate) fn padded(photo: &RgbImage) -> RgbImage {
    let (width, height) = photo.dimensions();
    let [wide, high] = [width, height].map(|side| (side + 2 * MARGIN).next_multiple_of(STRIDE));
    RgbImage::from_fn(wide, high, |x, y| {
        *photo.get_pixel(mirrored(x, width), mirrored(y, height))
    })
}

/// The part of an edit in which the photo was before it was padded.
pub(crate) fn cut_back(edited: &RgbImage, (width, height): (u32, u32)) -> RgbImage {
    crop_imm(edited, MARGIN, MARGIN, width, height).to_image()
}

/// The position in 0..`side` that `at` in the padded photo is the mirror image of; the edge itself occurs once.
fn mirrored(at: u32, side: u32) -> u32 {
    if side == 1 {
        return 0;
    }
    let period = 2 * (side - 1);
    let at = (i64::from(at) - i64::from(MARGIN)).rem_euclid(i64::from(period)) as u32;
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
        assert_eq!(wide.dimensions(), (56, 40));
        let column = |x| wide.get_pixel(x, 0).0[0];
        assert_eq!([0, 15, 16, 34, 35, 52].map(column), [16, 1, 0, 18, 17, 0]);
        let row = |y| wide.get_pixel(0, y).0[1];
        assert_eq!([15, 16, 20, 21, 24, 25].map(row), [1, 0, 4, 3, 0, 1]);
        assert_eq!(cut_back(&wide, photo.dimensions()), photo);
        let dot = RgbImage::from_pixel(1, 1, Rgb([7; 3]));
        assert!(padded(&dot).pixels().all(|pixel| pixel.0 == [7; 3]));
    }

    #[test]
    fn photos_that_are_too_large_are_refused_by_name() {
        let photo = RgbImage::new(2048, 600);
        let error = scaled(photo.clone(), WholeSize::Own)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("2048×600") && error.contains("--shorter-side"),
            "{error}"
        );
        let small = scaled(photo, WholeSize::ShorterSide(150)).unwrap();
        assert_eq!(small.dimensions(), (512, 150));
        let strip = scaled(RgbImage::new(3, 2000), WholeSize::ShorterSide(64)).unwrap_err();
        let strip = strip.to_string();
        assert!(
            strip.contains("3x2000") && strip.contains("42667"),
            "{strip}"
        );
        assert!(scaled(RgbImage::new(0, 3), WholeSize::Own).is_err());
        assert!(scaled(RgbImage::new(3, 3), WholeSize::ShorterSide(0)).is_err());
    }
}
