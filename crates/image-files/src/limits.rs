//! The largest image that is decoded.

use std::path::Path;

use crate::Error;

/// The default limit on the side of an image, in pixels.
pub const MAX_SIDE: u32 = 16_384;

/// The default limit on the size of a decoded image, and of a file, in bytes.
pub const MAX_DECODED_BYTES: u64 = 512 << 20;

/// The largest image that is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageLimits {
    /// Pixels a side. Default: [`MAX_SIDE`].
    pub side: u32,
    /// Bytes of the decoded image. Default: [`MAX_DECODED_BYTES`].
    pub bytes: u64,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self {
            side: MAX_SIDE,
            bytes: MAX_DECODED_BYTES,
        }
    }
}

/// Whether a file of `length` bytes can hold an image that decodes to `decoded` bytes: a header may claim any size. One bit
/// of a JPEG or a PNG stands for at most 128 bytes. WebP exceeds that only for large plain areas.
pub fn plausible(length: u64, decoded: u64) -> bool {
    const SMALL: u64 = 8 << 20;
    decoded <= SMALL || decoded / 1_100 <= length
}

/// What a header announces.
pub(crate) struct Announced {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Bytes of the decoded image.
    pub(crate) decoded: u64,
}

impl Announced {
    /// Refuses an image by its announced size, before anything is decoded. `length` is the file's length in bytes.
    pub(crate) fn check(&self, length: u64, path: &Path, limits: ImageLimits) -> Result<(), Error> {
        let (width, height) = (self.width, self.height);
        let path = || path.to_owned();
        if width > limits.side || height > limits.side || self.decoded > limits.bytes {
            return Err(Error::TooLarge {
                path: path(),
                limits,
            });
        }
        if !plausible(length, self.decoded) {
            return Err(Error::Truncated {
                path: path(),
                width,
                height,
                length,
            });
        }
        if width == 0 || height == 0 {
            return Err(Error::NoPixels { path: path() });
        }
        Ok(())
    }
}
