//! Image files, read as PIL's `Image.open(path).convert("RGB")` reads them.

use std::io::{BufReader, Cursor};
use std::path::Path;

use image::{DynamicImage, ImageReader};

use crate::{Error, Picture};

impl Picture {
    /// Reads a PNG, JPEG or WebP file. The content decides, not the file's extension.
    ///
    /// Values are those of PIL's `convert("RGB")`: transparency is dropped, not blended; 16-bit colour keeps the high
    /// byte; 16-bit grey is cut at 255. PNG and WebP give PIL's bytes. JPEG is decoded by another library than PIL's, and
    /// differs from it by up to 4 of 255 levels (0.1 to 0.4 on average) where the colours are stored at half size. That
    /// shows in a very small distance between a folder of JPEGs and one of PNGs: decode both in the same way then. An
    /// orientation in EXIF is not applied (PIL does not either).
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Image`] for a damaged file, another format, or one that would take more than 512 MiB.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        let file = std::fs::File::open(path).map_err(io)?;
        let reader = ImageReader::new(BufReader::new(file))
            .with_guessed_format()
            .map_err(io)?;
        convert(reader.decode(), &path.display().to_string())
    }

    /// [`open`](Self::open) from memory; `file` names the bytes in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Image`].
    pub fn decode(bytes: &[u8], file: &str) -> Result<Self, Error> {
        let image = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(image::ImageError::IoError)
            .and_then(ImageReader::decode);
        convert(image, file)
    }
}

fn convert(image: image::ImageResult<DynamicImage>, file: &str) -> Result<Picture, Error> {
    let image = image.map_err(|source| Error::Image {
        file: file.to_owned(),
        source,
    })?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    let rgb = match image {
        // PIL keeps 16-bit grey as integers, and cuts where it converts them to bytes.
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
