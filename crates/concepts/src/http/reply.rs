//! What comes back: hostile until proven otherwise.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::imageops::{self, FilterType};
use serde_json::Value;

use crate::{Error, ServerError, files};

/// The largest side of a server's image, in pixels.
const MAX_SIDE: u32 = 4096;
/// The largest server's image, in decoded bytes.
const MAX_DECODED: u64 = 64 << 20;
/// Stands where a message was shortened.
pub(super) const CUT: &str = " ...";
/// Characters of a server's message that are kept.
const MESSAGE: usize = 300;

pub(super) fn bad(message: impl Into<String>) -> ServerError {
    ServerError::BadReply {
        message: message.into(),
    }
}

pub(super) fn json(bytes: &[u8]) -> Result<Value, ServerError> {
    serde_json::from_slice(bytes).map_err(|error| bad(format!("not JSON: {error}")))
}

/// An image in base64, with or without a data URL's beginning.
pub(super) fn base64_image(text: &str) -> Result<RgbImage, ServerError> {
    let data = match text.split_once(";base64,") {
        Some((head, data)) if head.starts_with("data:") => data,
        _ => text,
    };
    let bytes = STANDARD
        .decode(data.trim())
        .map_err(|error| bad(format!("the image is not base64: {error}")))?;
    image(&bytes)
}

pub(super) fn image(bytes: &[u8]) -> Result<RgbImage, ServerError> {
    files::decode(
        Cursor::new(bytes),
        Path::new("image"),
        MAX_SIDE,
        MAX_DECODED,
    )
    .map_err(|error| match error {
        Error::TooLarge { .. } => bad(format!(
            "the image is larger than {MAX_SIDE} pixels a side or {} MiB decoded",
            MAX_DECODED >> 20
        )),
        Error::Decode { source, .. } => bad(format!(
            "the image does not decode: {}",
            shorten(&source.to_string())
        )),
        other => bad(shorten(&other.to_string())),
    })
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Brings the server's image to `width` x `height`; refuses another shape.
pub(super) fn fit(image: RgbImage, width: u32, height: u32) -> Result<RgbImage, ServerError> {
    let (w, h) = image.dimensions();
    if (w, h) == (width, height) {
        return Ok(image);
    }
    // Servers round to multiples of 8 or 64.
    let wanted = f64::from(width) / f64::from(height);
    let ratio = f64::from(w) / f64::from(h) / wanted;
    if !(0.8..=1.25).contains(&ratio) {
        return Err(bad(format!(
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

/// What an error's body says, in the shapes of OpenAI (`error.message`), FastAPI (`detail`), ComfyUI
/// (`error.message`, `node_errors`) and Hugging Face (`error`).
pub(super) fn explanation(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            let main = ["error", "detail", "message", "errors"]
                .iter()
                .find_map(|key| value.get(key).filter(|found| !found.is_null()))
                .map(|found| match found.get("message").unwrap_or(found) {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
            let nodes = value
                .get("node_errors")
                .filter(|nodes| nodes.as_object().is_some_and(|map| !map.is_empty()));
            match (main, nodes) {
                (Some(main), Some(nodes)) => format!("{main} {nodes}"),
                (Some(main), None) => main,
                (None, _) => value.to_string(),
            }
        }
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(4 * MESSAGE)]).into_owned(),
    };
    let text = shorten(&text);
    if text.is_empty() {
        "no explanation".to_owned()
    } else {
        text
    }
}

/// Hugging Face's answer while a model loads: `{"error": ..., "estimated_time": 20.0}`.
pub(super) fn estimated_time(body: &[u8]) -> Option<Duration> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let seconds = value.get("estimated_time")?.as_f64()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// One line of at most 300 characters, without control characters.
pub(super) fn shorten(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE)
        .collect();
    if text.chars().nth(MESSAGE).is_some() {
        out.push_str(CUT);
    }
    out.trim().to_owned()
}
