//! Editors that take one request for one image.

use image::RgbImage;

use super::client::Client;
use super::request::Request;
use super::{canvas, reply};
use crate::{Error, ServerError};

/// Sends `photo`, its shorter side `side`, in the request that `request` makes of its PNG bytes and size, and gives
/// the image that `read` finds in the answer, of the photo's own size.
pub(super) fn edit(
    client: &Client,
    photo: &RgbImage,
    side: u32,
    request: impl FnOnce(&[u8], (u32, u32)) -> Request,
    read: fn(&[u8]) -> Result<RgbImage, ServerError>,
) -> Result<RgbImage, Error> {
    let size = canvas::working_size(photo, side);
    let request = request(&canvas::enlarge(photo, size)?, size);
    let (width, height) = photo.dimensions();
    client
        .call(&request, |bytes| reply::fit(read(bytes)?, width, height))
        .map(|answer| answer.value)
        .map_err(|error| client.fail(error))
}
