//! Image files, as PIL's `Image.open(path).convert("RGB")` reads them.

use std::io::{Cursor, Read};
use std::path::Path;

use image::error::{DecodingError, ImageFormatHint};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use image_files::{MAX_DECODED_BYTES, check_complete, plausible};

use super::jpeg;
use crate::{Error, Picture};

/// Largest file that is read, and most memory that decoding one may take.
pub(crate) const LIMIT: u64 = MAX_DECODED_BYTES;

impl Picture {
    /// Reads a PNG, JPEG or WebP file. The content decides, not the file's extension.
    ///
    /// Values are those of PIL's `convert("RGB")`: transparency is dropped, not blended; 16-bit colour keeps the high
    /// byte; 16-bit grey is clipped at 255; JPEG has the bytes of libjpeg-turbo, which PIL is built on, in grey, colour and
    /// CMYK, sequential or progressive. An orientation in EXIF is not applied, and a colour profile (Display P3, Adobe RGB)
    /// is not converted: PIL does neither.
    ///
    /// A file that was cut short, and a JPEG file whose data is damaged, is refused; PIL fills gaps within the data.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if the file cannot be read, and [`Error::Image`] if it is damaged, has another format, or takes
    /// more than 512 MiB, compressed or decoded.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
            .map_err(io)?;
        Self::decode(&bytes, &path.display().to_string())
    }

    /// [`open`](Self::open) from memory; `file` names the bytes in errors.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Image`] as [`open`](Self::open) does.
    pub fn decode(bytes: &[u8], file: &str) -> Result<Self, Error> {
        Self::decoded(bytes).map_err(|source| Error::Image {
            file: file.to_owned(),
            source,
        })?
    }

    /// The outer error is one of the file, the inner one of the picture made from it.
    fn decoded(bytes: &[u8]) -> Result<Result<Self, Error>, ImageError> {
        if bytes.len() as u64 > LIMIT {
            return Err(too_large());
        }
        let format = image::guess_format(bytes).ok();
        check_complete(bytes).map_err(|cut| {
            let hint = format.map_or(ImageFormatHint::Unknown, ImageFormatHint::Exact);
            ImageError::Decoding(DecodingError::new(hint, cut))
        })?;
        if format == Some(ImageFormat::Jpeg) {
            let (rgb, width, height) = jpeg::decode(bytes)?;
            return Ok(Self::from_rgb8(&rgb, width, height));
        }
        let decoder = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(ImageError::IoError)?
            .into_decoder()?;
        let size = decoder.total_bytes();
        if size > LIMIT || !plausible(bytes.len() as u64, size) {
            return Err(too_large());
        }
        Ok(convert(DynamicImage::from_decoder(decoder)?))
    }
}

fn too_large() -> ImageError {
    let kind = image::error::LimitErrorKind::InsufficientMemory;
    ImageError::Limits(image::error::LimitError::from_kind(kind))
}

fn convert(image: DynamicImage) -> Result<Picture, Error> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let rgb = match image {
        // PIL keeps 16-bit grey as integers, and clips them when it converts them to bytes.
        DynamicImage::ImageLuma16(grey) => grey
            .into_raw()
            .into_iter()
            .flat_map(|v| [v.min(255) as u8; 3])
            .collect(),
        DynamicImage::ImageRgb16(colour) => high_bytes(colour.into_raw().as_chunks::<3>().0),
        DynamicImage::ImageRgba16(colour) => high_bytes(colour.into_raw().as_chunks::<4>().0),
        DynamicImage::ImageLumaA16(grey) => grey
            .into_raw()
            .as_chunks::<2>()
            .0
            .iter()
            .flat_map(|[v, _]| [(v >> 8) as u8; 3])
            .collect(),
        other => other.into_rgb8().into_raw(),
    };
    Picture::from_rgb8(&rgb, width, height)
}

/// PIL's decoder of 16-bit colour takes the first of the two bytes; it does not round.
fn high_bytes<const C: usize>(pixels: &[[u16; C]]) -> Vec<u8> {
    pixels
        .iter()
        .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .map(|v| (v >> 8) as u8)
        .collect()
}
