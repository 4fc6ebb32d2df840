//! From the bytes of a file to upright sRGB pixels.

use std::io::{Cursor, Read};
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::limits::{Announced, ImageLimits};
use crate::{Error, check_complete, colour, jpeg};

/// Reads a JPEG, PNG or WebP file as RGB [height, width, RGB]. The format is told from the content and not from the
/// extension. The Exif orientation is applied, colours are converted to sRGB if the file has another profile, and
/// transparent pixels are laid over white. Of an animation, the first image is taken.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be read, [`Error::Decode`] if it is not an image or damaged, [`Error::Cut`] if it
/// ends before its image does, [`Error::TooLarge`] and [`Error::Truncated`] if its header announces more pixels than the
/// default limits allow or the file can hold, [`Error::NoPixels`], and [`Error::Profile`] if its colour profile is damaged, is
/// for printing (CMYK), or is for grey while the image has colours.
pub fn read_image(path: &Path) -> Result<RgbImage, Error> {
    let limits = ImageLimits::default();
    let io = |source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limits.bytes + 1).read_to_end(&mut bytes))
        .map_err(io)?;
    if bytes.len() as u64 > limits.bytes {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limits,
        });
    }
    decode_image(&bytes, path, limits)
}

/// [`read_image`] of the bytes of a file, with limits of your own. `path` names the file in errors.
///
/// # Errors
/// Returns the errors of [`read_image`].
pub fn decode_image(bytes: &[u8], path: &Path, limits: ImageLimits) -> Result<RgbImage, Error> {
    check_complete(bytes).map_err(|source| Error::Cut {
        path: path.to_owned(),
        source,
    })?;
    let decoded = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => jpeg::decode(bytes, path, limits)?,
        _ => decode_other(bytes, path, limits)?,
    };
    let mut image = match decoded.profile {
        Some(profile) => {
            colour::to_srgb(decoded.image, &profile).map_err(|reason| Error::Profile {
                path: path.to_owned(),
                reason,
            })?
        }
        None => decoded.image,
    };
    image.apply_orientation(decoded.orientation);
    Ok(over_white(image))
}

/// What a decoder gives.
pub(crate) struct Decoded {
    pub(crate) image: DynamicImage,
    pub(crate) orientation: Orientation,
    /// An ICC profile.
    pub(crate) profile: Option<Vec<u8>>,
}

fn decode_other(bytes: &[u8], path: &Path, limits: ImageLimits) -> Result<Decoded, Error> {
    let fail = |source| match source {
        ImageError::Limits(_) => Error::TooLarge {
            path: path.to_owned(),
            limits,
        },
        source => Error::Decode {
            path: path.to_owned(),
            source,
        },
    };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| fail(ImageError::IoError(source)))?;
    let mut decoder_limits = Limits::default();
    decoder_limits.max_image_width = Some(limits.side);
    decoder_limits.max_image_height = Some(limits.side);
    decoder_limits.max_alloc = Some(limits.bytes);
    reader.limits(decoder_limits);

    let mut decoder = reader.into_decoder().map_err(fail)?;
    // Some decoders check the limits only while they decode.
    let (width, height) = decoder.dimensions();
    Announced {
        width,
        height,
        decoded: decoder.total_bytes(),
    }
    .check(bytes.len() as u64, path, limits)?;
    let orientation = decoder.orientation().map_err(fail)?;
    let profile = decoder.icc_profile().map_err(fail)?;
    Ok(Decoded {
        image: DynamicImage::from_decoder(decoder).map_err(fail)?,
        orientation,
        profile,
    })
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0.map(u32::from);
        let over = |value: u32| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([over(red), over(green), over(blue)])
    })
}
