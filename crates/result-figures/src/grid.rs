//! Grids of images as PNG.

use std::fmt;
use std::io::Cursor;
use std::path::Path;

use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::Text as TextLine;
use image::imageops::{FilterType, replace, resize};
use image::{ImageFormat, Rgb, RgbImage};

use crate::Error;

/// A captioned column of [`write_grid`].
pub struct Column {
    /// Up to two short lines, separated by `\n`.
    pub caption: String,
    /// One image per row.
    pub images: Vec<RgbImage>,
}

/// Without the images.
impl fmt::Debug for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Column")
            .field("caption", &self.caption)
            .field("images", &self.images.len())
            .finish_non_exhaustive()
    }
}

impl Column {
    /// `images` under `caption`.
    pub fn new(caption: impl Into<String>, images: Vec<RgbImage>) -> Self {
        Self {
            caption: caption.into(),
            images,
        }
    }

    /// The photos and the targets of `pairs`, a column each.
    pub fn of_pairs(pairs: &[(RgbImage, RgbImage)]) -> [Self; 2] {
        let (photos, targets) = pairs.iter().cloned().unzip();
        [Self::new("photo", photos), Self::new("target", targets)]
    }
}

const SCALE: u32 = 2;
const GAP: u32 = 6;
const HEAD: u32 = 30;
/// A sheet of 300 MB.
const MAX_PIXELS: u64 = 100_000_000;

/// Writes columns of equally sized images under their captions as PNG, each image at twice its size.
///
/// # Errors
/// Returns [`Error::NoImages`] or [`Error::SizeDiffers`] for the images, [`Error::TooLarge`] for the grid, and
/// [`Error::Encode`] or [`Error::File`] if it cannot be written.
pub fn write_grid(path: &Path, columns: &[Column]) -> Result<(), Error> {
    let mut images = columns.iter().flat_map(|column| &column.images);
    let Some(first) = images.next().map(RgbImage::dimensions) else {
        return Err(Error::NoImages {
            path: path.to_owned(),
        });
    };
    if let Some(other) = images.find(|image| image.dimensions() != first) {
        return Err(Error::SizeDiffers {
            path: path.to_owned(),
            expected: first,
            found: other.dimensions(),
        });
    }
    let (width, height) = (first.0.saturating_mul(SCALE), first.1.saturating_mul(SCALE));
    let rows = columns.iter().map(|c| c.images.len()).max().unwrap_or(0);
    let mut sheet = blank(path, (columns.len(), rows), (width, height))?;
    let style = MonoTextStyle::new(&FONT_6X10, BinaryColor::On);
    for (x, column) in (0u32..).zip(columns) {
        let left = GAP + x * (width + GAP);
        for (line, y) in column.caption.lines().zip([11, 22]) {
            let at = Point::new(left as i32, y);
            // Drawing on an image cannot fail.
            let Ok(_) = TextLine::new(line, at, style).draw(&mut Ink(&mut sheet));
        }
        for (y, image) in (0u32..).zip(&column.images) {
            let large = resize(image, width, height, FilterType::Nearest);
            let top = HEAD + y * (height + GAP);
            replace(&mut sheet, &large, i64::from(left), i64::from(top));
        }
    }
    let mut png = Cursor::new(Vec::new());
    (sheet.write_to(&mut png, ImageFormat::Png)).map_err(|source| Error::Encode {
        path: path.to_owned(),
        source,
    })?;
    Ok(tensor_file::atomic::write(path, png.get_ref())?)
}

/// A white sheet for `columns` × `rows` cells.
fn blank(
    path: &Path,
    (columns, rows): (usize, usize),
    (width, height): (u32, u32),
) -> Result<RgbImage, Error> {
    let whole = |cells: usize, cell: u32| cells as u64 * (u64::from(cell) + u64::from(GAP));
    let (width, height) = (
        u64::from(GAP) + whole(columns, width),
        u64::from(HEAD) + whole(rows, height),
    );
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(w), Ok(h)) if width * height <= MAX_PIXELS => {
            Ok(RgbImage::from_pixel(w, h, Rgb([255; 3])))
        }
        _ => Err(Error::TooLarge {
            path: path.to_owned(),
            width,
            height,
        }),
    }
}

/// Draws the fonts of embedded-graphics on an image.
struct Ink<'a>(&'a mut RgbImage);

impl OriginDimensions for Ink<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Ink<'_> {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> std::result::Result<(), Self::Error> {
        for Pixel(at, _) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y))
                && let Some(pixel) = self.0.get_pixel_mut_checked(x, y)
            {
                *pixel = Rgb([30, 30, 30]);
            }
        }
        Ok(())
    }
}
