//! Grids of images as PNG.

use std::path::Path;

use embedded_graphics::Drawable as _;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_6X10;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::Text as TextLine;
use image::RgbImage;

use crate::Result;

/// A captioned column of [`write_grid`].
pub struct Column {
    /// Up to two short lines, separated by `\n`.
    pub caption: String,
    /// One image per row.
    pub images: Vec<RgbImage>,
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

/// Writes columns of equally sized images under their captions as PNG, each image at twice its size.
///
/// # Errors
/// Names the file if there are no images to draw or it cannot be written.
pub fn write_grid(path: &Path, columns: &[Column]) -> Result<()> {
    let Some(first) = columns.first().and_then(|c| c.images.first()) else {
        return Err(format!("{}: there are no images to draw", path.display()).into());
    };
    let (width, height) = (first.width() * SCALE, first.height() * SCALE);
    let rows = columns.iter().map(|c| c.images.len()).max().unwrap_or(0) as u32;
    let mut sheet = RgbImage::from_pixel(
        GAP + columns.len() as u32 * (width + GAP),
        HEAD + rows * (height + GAP),
        image::Rgb([255; 3]),
    );
    let style = MonoTextStyle::new(&FONT_6X10, BinaryColor::On);
    for (x, column) in (0u32..).zip(columns) {
        let left = GAP + x * (width + GAP);
        for (line, y) in column.caption.lines().zip([11, 22]) {
            let at = embedded_graphics::geometry::Point::new(left as i32, y);
            // Drawing on an image cannot fail.
            let Ok(_) = TextLine::new(line, at, style).draw(&mut Ink(&mut sheet));
        }
        for (y, image) in (0u32..).zip(&column.images) {
            let large =
                image::imageops::resize(image, width, height, image::imageops::FilterType::Nearest);
            let top = HEAD + y * (height + GAP);
            image::imageops::replace(&mut sheet, &large, i64::from(left), i64::from(top));
        }
    }
    Ok(crate::files::write_png(path, &sheet)?)
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
                *pixel = image::Rgb([30, 30, 30]);
            }
        }
        Ok(())
    }
}
