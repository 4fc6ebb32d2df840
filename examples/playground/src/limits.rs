//! How much one request, one client and the server as a whole may take.

use concepts::images::ImageLimits;
use std::time::Duration;

/// Bytes of an uploaded image file.
pub(crate) const UPLOAD_BYTES: usize = 32 << 20;
/// Bytes of a request in JSON.
pub(crate) const JSON_BYTES: usize = 16 << 20;
/// The largest image that is decoded: 8,192 pixels a side, 128 MiB of pixels.
pub(crate) const IMAGE: ImageLimits = ImageLimits {
    side: 8_192,
    bytes: 128 << 20,
};
/// Uploads that are received and decoded at a time; others wait.
pub(crate) const UPLOADS_AT_ONCE: usize = 2;
/// Requests that may wait for a computation or a decoder; more are refused.
pub(crate) const WAITING: usize = 32;
/// How long a request may take to arrive.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(60);
/// Photos in one request.
pub(crate) const PHOTOS: usize = 24;
/// Characters of a prompt.
pub(crate) const PROMPT_CHARS: usize = 300;
/// Characters of an uploaded file's name.
pub(crate) const NAME_CHARS: usize = 200;
/// Sets of pairs that are put together at a time; the one that was not touched for longest gives way.
pub(crate) const DRAFTS: usize = 4;
/// Bytes of the pixels of one set of pairs.
pub(crate) const DRAFT_BYTES: usize = 96 << 20;
/// Pairs in one set.
pub(crate) const PAIRS: usize = 400;
/// Trainings that may wait for their turn.
pub(crate) const QUEUE: usize = 8;
/// Trainings that are kept.
pub(crate) const TRAININGS: usize = 100;
/// Epochs of a training.
pub(crate) const EPOCHS: usize = 200;
/// Pages that may follow trainings at a time.
pub(crate) const FOLLOWERS: usize = 32;
/// Open connections.
pub(crate) const CONNECTIONS: usize = 128;
