//! Reading images within limits, and writing them as PNG.
//!
//! ```
//! use concepts::images::{ImageLimits, decode_image, encode_png};
//! use image::{Rgb, RgbImage};
//!
//! let photo = RgbImage::from_pixel(8, 8, Rgb([200, 120, 40]));
//! let png = encode_png(&photo, "photo.png".as_ref())?;
//! assert_eq!(decode_image(&png, "photo.png".as_ref(), ImageLimits::default())?, photo);
//!
//! let small = ImageLimits { side: 4, ..ImageLimits::default() };
//! assert!(decode_image(&png, "photo.png".as_ref(), small).is_err());
//! # Ok::<(), concepts::Error>(())
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use resumable_runs::io_error;

use crate::Error;

/// The default limit on the side of an image, in pixels.
pub const MAX_SIDE: u32 = 16_384;

/// The default limit on the size of a decoded image, in bytes.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

/// The largest image that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Pixels a side. Default: [`MAX_SIDE`].
    pub side: u32,
    /// Bytes of the decoded image. Default: [`MAX_DECODED_BYTES`].
    pub bytes: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            side: MAX_SIDE,
            bytes: MAX_DECODED_BYTES,
        }
    }
}

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Refuses a working size that no image can be resized to.
pub(crate) fn check_size(size: usize) -> Result<u32, Error> {
    u32::try_from(size)
        .ok()
        .filter(|side| (1..=MAX_SIDE).contains(side))
        .ok_or(Error::BadSize { size })
}

/// The image files directly in `dir`, recognised by their extension, without hidden files, sorted by file name. The list
/// may be empty.
pub(crate) fn image_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder_error = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => Error::MissingFolder {
            path: dir.to_owned(),
        },
        _ => io_error("read the folder", dir)(source).into(),
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(folder_error)? {
        let path = entry.map_err(folder_error)?.path();
        if is_image_name(&path) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_image_name(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let known = path.extension().is_some_and(|extension| {
        EXTENSIONS.contains(&extension.to_string_lossy().to_lowercase().as_str())
    });
    known && !hidden
}

/// The file name without its extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// `files` by stem. Fails if two of them share one.
pub(crate) fn by_stem(files: Vec<PathBuf>) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        let stem = stem(&file);
        if let Some(first) = named.get(&stem) {
            return Err(Error::DuplicateStem {
                first: first.clone(),
                second: file,
            });
        }
        named.insert(stem, file);
    }
    Ok(named)
}

/// Reads a JPEG, PNG or WebP file as RGB [height, width, RGB]. The format is told from the content and not from the
/// extension; the Exif orientation is applied, and transparent pixels are laid over white.
///
/// # Errors
/// Returns [`Error::File`] if the file cannot be read, [`Error::Decode`] if it is not an image, [`Error::TooLarge`] and
/// [`Error::Truncated`] if its header announces more pixels than the default limits allow or the file can hold, and
/// [`Error::NoPixels`].
pub fn read_image(path: &Path) -> Result<RgbImage, Error> {
    let file = std::fs::File::open(path).map_err(io_error("open", path))?;
    decode(BufReader::new(file), path, ImageLimits::default())
}

/// [`read_image`] of the bytes of a file, with limits of your own. `path` names the file in errors.
///
/// # Errors
/// Returns the errors of [`read_image`].
pub fn decode_image(bytes: &[u8], path: &Path, limits: ImageLimits) -> Result<RgbImage, Error> {
    decode(Cursor::new(bytes), path, limits)
}

/// `image` as PNG bytes. `path` names the image in the error.
///
/// # Errors
/// Returns [`Error::Encode`] if the encoder refuses the image.
pub fn encode_png(image: &RgbImage, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|source| Error::Encode {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes.into_inner())
}

fn decode(
    mut reader: impl BufRead + Seek,
    path: &Path,
    limits: ImageLimits,
) -> Result<RgbImage, Error> {
    let io = |source| io_error("read", path)(source);
    let decode = |source| match source {
        ImageError::Limits(_) => Error::TooLarge {
            path: path.to_owned(),
            limits,
        },
        source => Error::Decode {
            path: path.to_owned(),
            source,
        },
    };

    let length = reader.seek(SeekFrom::End(0)).map_err(io)?;
    reader.rewind().map_err(io)?;
    let mut reader = ImageReader::new(reader).with_guessed_format().map_err(io)?;
    let mut decoder_limits = Limits::default();
    decoder_limits.max_image_width = Some(limits.side);
    decoder_limits.max_image_height = Some(limits.side);
    decoder_limits.max_alloc = Some(limits.bytes);
    reader.limits(decoder_limits);

    let mut decoder = reader.into_decoder().map_err(decode)?;
    check_header(&decoder, path, limits, length)?;
    let orientation = decoder.orientation().map_err(decode)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(decode)?;
    image.apply_orientation(orientation);
    Ok(over_white(image))
}

/// Refuses an image by its announced size, before anything is decoded. `length` is the file's length in bytes.
fn check_header(
    decoder: &impl ImageDecoder,
    path: &Path,
    limits: ImageLimits,
    length: u64,
) -> Result<(), Error> {
    let (width, height) = decoder.dimensions();
    let path = || path.to_owned();
    // Some decoders check the limits only while they decode.
    if width > limits.side || height > limits.side || decoder.total_bytes() > limits.bytes {
        return Err(Error::TooLarge {
            path: path(),
            limits,
        });
    }
    if !plausible(length, decoder.total_bytes()) {
        return Err(Error::Truncated {
            path: path(),
            width,
            height,
            length,
        });
    }
    if width == 0 || height == 0 {
        return Err(Error::NoPixels { path: path() });
    }
    Ok(())
}

/// Whether a file of `length` bytes can hold `decoded` bytes. One bit of a JPEG or a PNG stands for at most 128 bytes.
/// WebP exceeds that only for large plain areas.
fn plausible(length: u64, decoded: u64) -> bool {
    const SMALL: u64 = 8 << 20;
    decoded <= SMALL || decoded / 1_100 <= length
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

/// The centre square of `image`, resized to `size` x `size` pixels as [`read_photos`](crate::read_photos) does.
///
/// # Errors
/// Returns [`Error::BadSize`], and [`Error::NoPixels`] if the image is empty.
pub fn fit_image(image: RgbImage, size: usize) -> Result<RgbImage, Error> {
    let size = check_size(size)?;
    if image.width() == 0 || image.height() == 0 {
        return Err(Error::NoPixels {
            path: "image".into(),
        });
    }
    Ok(fit(image, size))
}

/// The centre square of `image`, resized to `size` x `size` pixels with an antialiasing filter. An image of that size
/// keeps its pixels.
pub(crate) fn fit(image: RgbImage, size: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let side = width.min(height);
    let square = if width == height {
        image
    } else {
        imageops::crop_imm(&image, (width - side) / 2, (height - side) / 2, side, side).to_image()
    };
    if side == size {
        square
    } else {
        imageops::resize(&square, size, size, FilterType::Lanczos3)
    }
}
