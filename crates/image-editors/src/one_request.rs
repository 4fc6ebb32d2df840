//! Editors that need one request per image.

use image::RgbImage;
use model_server_client::{Client, Request, ServerError};
use serde_json::Value;

use crate::accept::{Asked, accept};
use crate::error::editor_failed;
use crate::working_size;

/// A request, and what image it asks for.
pub(crate) struct Sent {
    pub(crate) request: Request,
    pub(crate) asked: Asked,
}

/// Scales `photo` so that its shorter side is `side`, sends it in the request that `request` makes of its PNG bytes and
/// size, and returns the image that `read` finds in the answer at the photo's own size.
pub(crate) fn edit(
    name: &str,
    client: &Client,
    photo: &RgbImage,
    side: u32,
    request: impl FnOnce(&[u8], (u32, u32)) -> Sent,
    read: fn(&[u8]) -> Result<RgbImage, ServerError>,
) -> Result<RgbImage, concepts::Error> {
    let size = working_size::working_size(photo, side);
    let sent = request(&working_size::enlarge(photo, size)?, size);
    client
        .call(&sent.request, |bytes| {
            accept(read(bytes)?, photo, sent.asked)
        })
        .map(|answer| answer.value)
        .map_err(|error| editor_failed(name, client.redact(error)))
}

/// `width` and `height` in a request, which the user's own fields may have replaced.
pub(crate) fn asked(fields: &Value, size: (u32, u32)) -> (u32, u32) {
    let side = |key: &str, own| {
        let given = fields.get(key).and_then(Value::as_u64);
        given
            .and_then(|side| u32::try_from(side).ok())
            .unwrap_or(own)
    };
    (side("width", size.0), side("height", size.1))
}
