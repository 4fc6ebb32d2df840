use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use crate::Error;

/// The gap between tiles, in pixels.
const GAP: u32 = 4;
/// The largest side of a sheet, in pixels.
const MAX_SIDE: u64 = 16_384;

/// Rows of images on white, each fitted into a tile of `tile` × `tile` pixels. `None` gives a grey tile.
pub(super) fn contact_sheet(
    rows: &[Vec<Option<&RgbImage>>],
    tile: usize,
) -> Result<RgbImage, Error> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let bad = || Error::SheetSize {
        columns,
        rows: rows.len(),
        tile,
    };
    let side = |count: usize| {
        let pixels = (tile as u64 + u64::from(GAP)) * count.max(1) as u64 + u64::from(GAP);
        u32::try_from(pixels).ok().filter(|_| pixels <= MAX_SIDE)
    };
    let tile_side = u32::try_from(tile)
        .ok()
        .filter(|&t| t > 0)
        .ok_or_else(bad)?;
    let (width, height) = (
        side(columns).ok_or_else(bad)?,
        side(rows.len()).ok_or_else(bad)?,
    );
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    let grey = RgbImage::from_pixel(tile_side, tile_side, Rgb([200; 3]));
    for (y, row) in rows.iter().enumerate() {
        for (x, image) in row.iter().enumerate() {
            let image = match image.filter(|image| image.width() > 0 && image.height() > 0) {
                Some(image) => &fit_into(image, tile_side),
                None => &grey,
            };
            let place = |index: usize, side: u32| {
                i64::from(GAP)
                    + index as i64 * i64::from(tile_side + GAP)
                    + i64::from(tile_side.saturating_sub(side) / 2)
            };
            imageops::replace(
                &mut sheet,
                image,
                place(x, image.width()),
                place(y, image.height()),
            );
        }
    }
    Ok(sheet)
}

/// `image` scaled so that its longer side is `tile` pixels.
fn fit_into(image: &RgbImage, tile: u32) -> RgbImage {
    let scale = f64::from(tile) / f64::from(image.width().max(image.height()));
    let fit = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    imageops::resize(
        image,
        fit(image.width()),
        fit(image.height()),
        FilterType::Triangle,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_have_limits() {
        let image = RgbImage::from_pixel(10, 20, Rgb([9; 3]));
        let sheet = contact_sheet(&[vec![Some(&image), None], vec![]], 8).unwrap();
        assert_eq!(sheet.dimensions(), (2 * 12 + 4, 2 * 12 + 4));
        assert_eq!(sheet.get_pixel(8, 8), &Rgb([9; 3]));
        assert_eq!(sheet.get_pixel(4, 4), &Rgb([255; 3]));
        assert_eq!(contact_sheet(&[], 8).unwrap().dimensions(), (16, 16));
        assert!(contact_sheet(&[], 0).is_err());
        assert!(contact_sheet(&[vec![None; 1000]], 256).is_err());
        assert!(contact_sheet(&[], usize::MAX).is_err());
        let empty = RgbImage::new(0, 5);
        assert!(contact_sheet(&[vec![Some(&empty)]], 8).is_ok());
    }
}
