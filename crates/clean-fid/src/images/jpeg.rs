//! JPEG files byte for byte as libjpeg-turbo decodes them, which is what PIL does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::{DecodingError, ImageFormatHint};
use image::{ImageError, ImageFormat};
use image_files::plausible;
use libjpeg_turbo_rs::{DecodeLimits, Decoder, FrameHeader, JpegError, PixelFormat};

use super::decode::LIMIT;

/// Returns the bytes of red, green and blue, pixel by pixel; then width and height.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Vec<u8>, usize, usize), ImageError> {
    // The decoder is young: a panic in it becomes an error of the file instead of ending the program.
    catch_unwind(AssertUnwindSafe(|| try_decode(bytes)))
        .unwrap_or_else(|_| Err(JpegError::CorruptData("the decoder failed on it".into())))
        .map_err(|source| {
            let hint = ImageFormatHint::Exact(ImageFormat::Jpeg);
            ImageError::Decoding(DecodingError::new(hint, source))
        })
}

fn try_decode(bytes: &[u8]) -> Result<(Vec<u8>, usize, usize), JpegError> {
    let limits = DecodeLimits {
        max_memory: Some(LIMIT),
        max_scans: 1_000,
        ..DecodeLimits::default()
    };
    let decoder = Decoder::new_with_limits(bytes, limits)?;
    check(decoder.header())?;
    let frame = decoder.header();
    let inks = frame.components.len() == 4;
    let size = u64::from(frame.width) * u64::from(frame.height) * if inks { 4 } else { 3 };
    if !plausible(bytes.len() as u64, size) {
        let (width, height, length) = (frame.width, frame.height, bytes.len());
        return Err(JpegError::CorruptData(format!(
            "{width} x {height} pixels are beyond the limit of what {length} bytes can hold"
        )));
    }
    let image = decoder
        .with_output_format(if inks {
            PixelFormat::Cmyk
        } else {
            PixelFormat::Rgb
        })
        .decode_image()?;
    let rgb = if inks {
        from_inks(&image.data)
    } else {
        image.data
    };
    Ok((rgb, image.width, image.height))
}

/// Refuses frames on which the decoder panics. It assumes that there are pixels, and that of four components the first and
/// the last have full size and the other two the same whole fraction of it.
fn check(frame: &FrameHeader) -> Result<(), JpegError> {
    let sampling: Vec<[u8; 2]> = frame
        .components
        .iter()
        .map(|c| [c.horizontal_sampling, c.vertical_sampling])
        .collect();
    let known = match sampling.as_slice() {
        &[first, second, third, last] => {
            let whole = |i: usize| second[i] > 0 && first[i].is_multiple_of(second[i]);
            first == last && second == third && whole(0) && whole(1)
        }
        _ => true,
    };
    if known && frame.width > 0 && frame.height > 0 {
        return Ok(());
    }
    Err(JpegError::Unsupported(format!(
        "components sampled {sampling:?} in {} x {} pixels",
        frame.width, frame.height
    )))
}

/// Adobe's inverted CMYK to RGB as in PIL: each ink times the light that black leaves, rounded.
fn from_inks(pixels: &[u8]) -> Vec<u8> {
    pixels
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[cyan, magenta, yellow, black]| {
            [cyan, magenta, yellow].map(|light| {
                let (ink, left) = (u32::from(255 - light), u32::from(black));
                let product = ink * left + 128;
                let taken = ((product >> 8) + product) >> 8;
                (left - taken) as u8
            })
        })
        .collect()
}
