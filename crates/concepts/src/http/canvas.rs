//! What the image editors share: the working size, the prompt's wording, the photo as PNG.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::{Error, store};

/// Where the concept's text goes in a template.
const PROMPT: &str = "{prompt}";

/// Fails on a template without `{prompt}`, and on a working side that no diffusion model takes.
pub(super) fn check(template: &str, side: u32) -> Result<(), Error> {
    check_template(template)?;
    check_side(side)
}

fn check_template(template: &str) -> Result<(), Error> {
    if template.contains(PROMPT) {
        return Ok(());
    }
    Err(Error::BadSetting {
        setting: "prompt template",
        message: format!("{template:?} has no {PROMPT}, the place of the concept's text"),
    })
}

fn check_side(side: u32) -> Result<(), Error> {
    if (64..=4096).contains(&side) && side.is_multiple_of(8) {
        return Ok(());
    }
    Err(Error::BadSetting {
        setting: "working side",
        message: format!("{side} is not a multiple of 8 from 64 to 4096"),
    })
}

pub(super) fn word(template: &str, prompt: &str) -> String {
    template.replace(PROMPT, prompt)
}

/// Width and height for the server: the shorter side is `side`, both are multiples of 8.
pub(super) fn working_size(photo: &RgbImage, side: u32) -> (u32, u32) {
    let (width, height) = photo.dimensions();
    let scale = f64::from(side) / f64::from(width.min(height).max(1));
    let round = |pixels: u32| ((f64::from(pixels) * scale / 8.0).round() as u32 * 8).clamp(8, 4096);
    (round(width), round(height))
}

/// The photo at the working size as PNG bytes.
pub(super) fn enlarge(photo: &RgbImage, (width, height): (u32, u32)) -> Result<Vec<u8>, Error> {
    if photo.width() == 0 || photo.height() == 0 {
        return Err(Error::NoPixels {
            path: "photo".into(),
        });
    }
    let path = Path::new("photo");
    if photo.dimensions() == (width, height) {
        return store::png(photo, path);
    }
    store::png(
        &imageops::resize(photo, width, height, FilterType::Lanczos3),
        path,
    )
}
