//! Editors that need one request per image.

use image::RgbImage;
use model_server_client::{Client, Request, ServerError};

use crate::error::editor_failed;
use crate::{reply, working_size};

/// Scales `photo` so that its shorter side is `side`, sends it in the request that `request` makes of its PNG bytes and
/// size, and returns the image that `read` finds in the answer at the photo's own size.
pub(crate) fn edit(
    name: &str,
    client: &Client,
    photo: &RgbImage,
    side: u32,
    request: impl FnOnce(&[u8], (u32, u32)) -> Request,
    read: fn(&[u8]) -> Result<RgbImage, ServerError>,
) -> Result<RgbImage, concepts::Error> {
    let size = working_size::working_size(photo, side);
    let request = request(&working_size::enlarge(photo, size)?, size);
    let (width, height) = photo.dimensions();
    client
        .call(&request, |bytes| reply::fit(read(bytes)?, width, height))
        .map(|answer| answer.value)
        .map_err(|error| editor_failed(name, client.redact(error)))
}
