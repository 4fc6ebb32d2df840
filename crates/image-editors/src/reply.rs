//! Images in answers, which are untrusted.

use std::path::Path;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use concepts::images::{ImageError, ImageLimits, decode_image};
use image::RgbImage;
use model_server_client::{ServerError, bad_reply, foreign, json, shorten, unusable};
use serde_json::Value;

/// The largest image of a server that is decoded.
const LIMITS: ImageLimits = ImageLimits {
    side: 4096,
    bytes: 64 << 20,
};

/// Base64 as servers write it: with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The fields by which diffusers' safety checker, and servers built on it, say that they blackened an image.
const FLAGS: [&str; 3] = [
    "nsfw_content_detected",
    "has_nsfw_concepts",
    "nsfw_detected",
];

/// An image in base64, in the usual or the URL-safe alphabet, with or without padding, line breaks and the prefix of a data
/// URL.
pub(crate) fn base64_image(text: &str) -> Result<RgbImage, ServerError> {
    let data = match text.trim_start().split_once(";base64,") {
        Some((head, data)) if head.starts_with("data:") => data,
        _ => text,
    };
    let plain = data.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let plain: Vec<u8> = plain
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    let bytes = LENIENT
        .decode(plain)
        .map_err(|error| bad_reply(format!("the image is not base64: {error}")))?;
    image(&bytes)
}

/// The image in the bytes of a file. The bytes decide what format it has, and not the type that the server announced.
pub(crate) fn image(bytes: &[u8]) -> Result<RgbImage, ServerError> {
    decode_image(bytes, Path::new("image"), LIMITS).map_err(|error| match error {
        ImageError::TooLarge { .. } => bad_reply(format!(
            "the image is larger than {} pixels a side or {} MiB decoded",
            LIMITS.side,
            LIMITS.bytes >> 20
        )),
        error => no_image(bytes).unwrap_or_else(|| match error {
            ImageError::Decode { source, .. } => bad_reply(format!(
                "the image does not decode: {}",
                shorten(&source.to_string())
            )),
            other => bad_reply(shorten(&other.to_string())),
        }),
    })
}

/// What stands in the place of an image, if it is of a known kind.
fn no_image(bytes: &[u8]) -> Option<ServerError> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return foreign(bytes);
    }
    let value = match json(bytes) {
        Ok(value) => value,
        Err(error) => return Some(error),
    };
    let keys: Vec<&str> = value.as_object()?.keys().map(String::as_str).collect();
    Some(filtered(&value).unwrap_or_else(|| {
        unusable(format!(
            "it is JSON with the fields {}, and not the bytes of an image; is this the address of an image-to-image \
             endpoint?",
            shorten(&keys.join(", "))
        ))
    }))
}

/// The error of an answer that says that a filter blackened an image.
pub(crate) fn filtered(value: &Value) -> Option<ServerError> {
    let flag = FLAGS.into_iter().find(|&flag| match value.get(flag) {
        Some(Value::Bool(set)) => *set,
        Some(Value::Array(list)) => list.contains(&Value::Bool(true)),
        _ => false,
    })?;
    Some(ServerError::Filtered {
        message: format!("the safety checker of the server set {flag:?} and blackened the image"),
    })
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn png() -> (RgbImage, Vec<u8>) {
        let image = RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 6) as u8, (y * 8) as u8, 255]));
        let bytes = concepts::images::encode_png(&image, Path::new("image")).unwrap();
        (image, bytes)
    }

    #[test]
    fn base64_comes_in_many_spellings() {
        let (image, bytes) = png();
        let plain = STANDARD.encode(&bytes);
        let wrapped: Vec<String> = plain
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let url_safe = plain.replace('+', "-").replace('/', "_");
        for text in [
            plain.clone(),
            format!("data:image/png;base64,{plain}"),
            format!("\n data:image/png;charset=utf-8;base64,{plain}\n"),
            wrapped.join("\r\n"),
            url_safe.trim_end_matches('=').to_owned(),
            plain.trim_end_matches('=').to_owned(),
        ] {
            assert_eq!(base64_image(&text).unwrap(), image, "{text}");
        }
        for bad in [
            "",
            "%%%",
            "data:image/png;base64,",
            &plain[..plain.len() / 2],
        ] {
            assert!(base64_image(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_image_is_named() {
        let message = |body: &str| image(body.as_bytes()).unwrap_err();
        for (body, word, transient) in [
            ("", "empty", true),
            ("<html><title>Sign in</title></html>", "Sign in", true),
            (
                "{\"error\": \"CUDA out of memory\"}",
                "CUDA out of memory",
                true,
            ),
            (
                "{\"images\": [], \"nsfw_content_detected\": [true]}",
                "safety checker",
                false,
            ),
            ("{\"predictions\": []}", "predictions", false),
            ("data: {}\n\n", "stream", false),
            ("hello", "decode", true),
        ] {
            let error = message(body);
            assert!(error.to_string().contains(word), "{body}: {error}");
            assert_eq!(error.is_transient(), transient, "{body}");
        }
    }
}
