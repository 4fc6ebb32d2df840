//! Listing image files, reading images within limits (both by the crate `image-files`), and writing them as PNG.
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

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use image::imageops::{self, FilterType};
use image::{ImageFormat, RgbImage};
use image_files::{ImageFiles, stem};

pub use image_files::{
    Error as ImageError, ImageLimits, MAX_DECODED_BYTES, MAX_SIDE, composed, count_by_format,
    decode_image, read_image, subfolders,
};

use crate::Error;

/// Refuses a working size that no image can be resized to.
pub(crate) fn check_size(size: usize) -> Result<u32, Error> {
    u32::try_from(size)
        .ok()
        .filter(|side| (1..=MAX_SIDE).contains(side))
        .ok_or(Error::BadSize { size })
}

/// The image files directly in `dir`, recognised by their extension, without hidden files, sorted by file name. The list
/// may be empty. Images in formats that are not read (bmp, tif, gif, heic and so on) are counted in a warning of the crate
/// `log`.
///
/// # Errors
/// Returns [`Error::MissingFolder`], [`Error::Image`] if the folder cannot be listed, and [`Error::OnlyUnread`] if it holds
/// images, but none in a format that is read.
pub fn image_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let found = list(dir)?;
    if found.files.is_empty() && !found.unread.is_empty() {
        return Err(only_unread(dir, &found.unread));
    }
    warn_of_unread(dir, &found.unread);
    Ok(found.files)
}

/// The images directly in `dir`, those that are read and those that are not.
pub(crate) fn list(dir: &Path) -> Result<ImageFiles, Error> {
    ImageFiles::directly_in(dir).map_err(|error| match error {
        ImageError::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            Error::MissingFolder {
                path: dir.to_owned(),
            }
        }
        error => error.into(),
    })
}

pub(crate) fn only_unread(dir: &Path, unread: &[PathBuf]) -> Error {
    Error::OnlyUnread {
        path: dir.to_owned(),
        formats: count_by_format(unread),
    }
}

/// Counts the images that are skipped because of their format, once for a folder: programs list it before they read it.
pub(crate) fn warn_of_unread(dir: &Path, unread: &[PathBuf]) {
    static WARNED: Mutex<BTreeSet<(PathBuf, usize)>> = Mutex::new(BTreeSet::new());
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(first) = unread.first()
        && warned.insert((dir.to_owned(), unread.len()))
    {
        log::warn!(
            "{}: skipped {} in formats that are not read ({}), such as {}; convert them to PNG, JPEG or WebP",
            dir.display(),
            match unread.len() {
                1 => "1 image".to_owned(),
                count => format!("{count} images"),
            },
            count_by_format(unread),
            first.file_name().unwrap_or_default().display()
        );
    }
}

/// `files` by stem. Fails if two of them share one.
pub(crate) fn by_stem(files: Vec<PathBuf>) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for file in files {
        let stem = stem(&file)?;
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

/// `image` with `side` pixels along its shorter side, resized with an antialiasing filter, its proportions kept to the
/// nearest pixel.
///
/// # Errors
/// Returns [`Error::BadSize`], [`Error::TooLongScaled`] if the longer side would be longer than any image may be, and
/// [`Error::NoPixels`] if the image is empty.
pub fn scale_image(image: RgbImage, side: usize) -> Result<RgbImage, Error> {
    let (width, height) = image.dimensions();
    let shorter = width.min(height);
    if shorter == 0 {
        return Err(Error::NoPixels {
            path: "image".into(),
        });
    }
    let factor = f64::from(check_size(side)?) / f64::from(shorter);
    let [wide, high] = [width, height].map(|own| (f64::from(own) * factor).round() as usize);
    let (Ok(wide), Ok(high)) = (check_size(wide), check_size(high)) else {
        return Err(Error::TooLongScaled {
            width,
            height,
            side,
            longer: wide.max(high),
        });
    };
    if (wide, high) == (width, height) {
        return Ok(image);
    }
    Ok(imageops::resize(&image, wide, high, FilterType::Lanczos3))
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
