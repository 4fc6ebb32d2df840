//! What the image editors share: the working size, the prompt's wording, the photo as PNG.

use std::path::Path;

use concepts::images::encode_png;
use image::RgbImage;
use image::imageops::{self, FilterType};

use crate::Error;

/// The place for the concept's text in a template.
const PROMPT: &str = "{prompt}";

/// Refuses a name that cannot be a file name, a template without `{prompt}`, and a working side that no diffusion model
/// takes.
pub(crate) fn check(name: &str, template: &str, side: u32) -> Result<(), Error> {
    concepts::pairs::check_name(name)?;
    check_template(template)?;
    check_side(side)
}

fn check_template(template: &str) -> Result<(), Error> {
    if template.contains(PROMPT) {
        return Ok(());
    }
    Err(Error::NoPromptInTemplate {
        template: template.to_owned(),
    })
}

fn check_side(side: u32) -> Result<(), Error> {
    if (64..=4096).contains(&side) && side.is_multiple_of(8) {
        return Ok(());
    }
    Err(Error::BadSide { side })
}

/// The text that is sent for `prompt`.
pub(crate) fn word(template: &str, prompt: &str) -> String {
    template.replace(PROMPT, prompt)
}

/// Width and height for the server: the shorter side is `side`, both are multiples of 8.
pub(crate) fn working_size(photo: &RgbImage, side: u32) -> (u32, u32) {
    let (width, height) = photo.dimensions();
    let scale = f64::from(side) / f64::from(width.min(height).max(1));
    let round = |pixels: u32| ((f64::from(pixels) * scale / 8.0).round() as u32 * 8).clamp(8, 4096);
    (round(width), round(height))
}

/// The photo at the working size as PNG bytes.
pub(crate) fn enlarge(
    photo: &RgbImage,
    (width, height): (u32, u32),
) -> Result<Vec<u8>, concepts::Error> {
    let path = Path::new("photo");
    if photo.width() == 0 || photo.height() == 0 {
        return Err(concepts::Error::NoPixels { path: path.into() });
    }
    if photo.dimensions() == (width, height) {
        return encode_png(photo, path);
    }
    encode_png(
        &imageops::resize(photo, width, height, FilterType::Lanczos3),
        path,
    )
}
