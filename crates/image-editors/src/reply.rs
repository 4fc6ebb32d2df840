//! Images in answers, which are untrusted.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use concepts::images::{ImageLimits, decode_image};
use image::RgbImage;
use image::imageops::{self, FilterType};
use model_server_client::{ServerError, bad_reply, shorten};

/// The largest image of a server that is decoded.
const LIMITS: ImageLimits = ImageLimits {
    side: 4096,
    bytes: 64 << 20,
};

/// An image in base64, with or without the prefix of a data URL.
pub(crate) fn base64_image(text: &str) -> Result<RgbImage, ServerError> {
    let data = match text.split_once(";base64,") {
        Some((head, data)) if head.starts_with("data:") => data,
        _ => text,
    };
    let bytes = STANDARD
        .decode(data.trim())
        .map_err(|error| bad_reply(format!("the image is not base64: {error}")))?;
    image(&bytes)
}

/// The image in the bytes of a file.
pub(crate) fn image(bytes: &[u8]) -> Result<RgbImage, ServerError> {
    decode_image(bytes, Path::new("image"), LIMITS).map_err(|error| match error {
        concepts::Error::TooLarge { .. } => bad_reply(format!(
            "the image is larger than {} pixels a side or {} MiB decoded",
            LIMITS.side,
            LIMITS.bytes >> 20
        )),
        concepts::Error::Decode { source, .. } => bad_reply(format!(
            "the image does not decode: {}",
            shorten(&source.to_string())
        )),
        other => bad_reply(shorten(&other.to_string())),
    })
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Resizes the server's image to `width` x `height`. Refuses one of another shape.
pub(crate) fn fit(image: RgbImage, width: u32, height: u32) -> Result<RgbImage, ServerError> {
    let (w, h) = image.dimensions();
    if (w, h) == (width, height) {
        return Ok(image);
    }
    // Servers round to multiples of 8 or 64.
    let wanted = f64::from(width) / f64::from(height);
    let ratio = f64::from(w) / f64::from(h) / wanted;
    if !(0.8..=1.25).contains(&ratio) {
        return Err(bad_reply(format!(
            "the image is {w}x{h} pixels and should have the shape of {width}x{height}"
        )));
    }
    Ok(imageops::resize(
        &image,
        width,
        height,
        FilterType::Lanczos3,
    ))
}
