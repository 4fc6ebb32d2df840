//! Reading one image, listing a folder's images, fitting an image to the working size.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use crate::Error;

/// The largest side of an image that is read, in pixels.
pub const MAX_SIDE: u32 = 16_384;

/// The largest size of a decoded image that is read, in bytes.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Fails on a working size that no image can be brought to.
pub(crate) fn check_size(size: usize) -> Result<u32, Error> {
    u32::try_from(size)
        .ok()
        .filter(|side| (1..=MAX_SIDE).contains(side))
        .ok_or(Error::BadSize { size })
}

/// The image files directly in `dir` (by extension, hidden files aside), sorted by file name; may be empty.
pub(crate) fn image_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder_error = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => Error::MissingFolder {
            path: dir.to_owned(),
        },
        _ => Error::Io {
            action: "read the folder",
            path: dir.to_owned(),
            source,
        },
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

/// `files` by stem; fails where two of them share one.
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

/// Decodes the file, whose content and not its extension says the format; turns it as its Exif orientation says, and
/// lays transparent pixels over white.
pub(crate) fn read_image(path: &Path) -> Result<RgbImage, Error> {
    let file = std::fs::File::open(path).map_err(|source| Error::Io {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    decode(BufReader::new(file), path, MAX_SIDE, MAX_DECODED_BYTES)
}

/// [`read_image`] of what `reader` gives, with limits of its own; `path` is for the error.
pub(crate) fn decode(
    reader: impl BufRead + Seek,
    path: &Path,
    max_side: u32,
    max_bytes: u64,
) -> Result<RgbImage, Error> {
    let io = |source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let decode = |source| match source {
        ImageError::Limits(_) => Error::TooLarge {
            path: path.to_owned(),
        },
        source => Error::Decode {
            path: path.to_owned(),
            source,
        },
    };

    let mut reader = reader;
    let length = reader.seek(SeekFrom::End(0)).map_err(io)?;
    reader.rewind().map_err(io)?;
    let mut reader = ImageReader::new(reader).with_guessed_format().map_err(io)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(max_side);
    limits.max_image_height = Some(max_side);
    limits.max_alloc = Some(max_bytes);
    reader.limits(limits);

    let mut decoder = reader.into_decoder().map_err(decode)?;
    let (width, height) = decoder.dimensions();
    // Some decoders look at the limits only while they decode.
    if width > max_side || height > max_side || decoder.total_bytes() > max_bytes {
        return Err(Error::TooLarge {
            path: path.to_owned(),
        });
    }
    if !plausible(length, decoder.total_bytes()) {
        return Err(Error::BadFile {
            path: path.to_owned(),
            message: format!(
                "claims {width}x{height} pixels, which {length} bytes cannot hold; it is cut short or damaged"
            ),
        });
    }
    if width == 0 || height == 0 {
        return Err(Error::NoPixels {
            path: path.to_owned(),
        });
    }
    let orientation = decoder.orientation().map_err(decode)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(decode)?;
    image.apply_orientation(orientation);
    Ok(over_white(image))
}

/// Whether a file of `length` bytes may hold so much. A bit of a JPEG or a PNG stands for at most 128 bytes; WebP can
/// say more of a plain area, in a larger one only.
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

/// The centre square of `image`, brought to `size` x `size` pixels with an antialiasing filter; an image that has
/// that size already keeps its pixels.
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
