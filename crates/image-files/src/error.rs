use std::path::PathBuf;

use crate::{Cut, ImageLimits};

/// What can go wrong with an image file. Every message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },

    /// A file name is not Unicode, so it is no name for a result.
    #[error("the name of {path:?} is not valid Unicode (UTF-8); rename the file")]
    NotUnicode {
        /// The file.
        path: PathBuf,
    },

    /// A file does not decode.
    #[error("cannot decode {} as an image: {source}; replace the file or remove it", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The decoder's answer.
        source: image::ImageError,
    },

    /// A file ends before its image does.
    #[error("{}: {source}", path.display())]
    Cut {
        /// The file.
        path: PathBuf,
        /// The finding.
        source: Cut,
    },

    /// An image's header announces more than the limits allow. Nothing was decoded.
    #[error(
        "{} is too large: the limits are {} pixels a side and {} MiB decoded; scale the file down first",
        path.display(), limits.side, limits.bytes >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limits that it exceeds.
        limits: ImageLimits,
    },

    /// An image's header announces more pixels than its file can hold. Nothing was decoded.
    #[error(
        "{} claims {width}x{height} pixels, which {length} bytes cannot hold; the file is truncated or damaged",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The width that it claims, in pixels.
        width: u32,
        /// The height that it claims, in pixels.
        height: u32,
        /// The file's length in bytes.
        length: u64,
    },

    /// An image has no pixels.
    #[error("{} has no pixels; replace the file or remove it", path.display())]
    NoPixels {
        /// The file.
        path: PathBuf,
    },

    /// An image's colour profile is damaged, or no way leads from it to sRGB.
    #[error(
        "{}: its colour profile cannot be converted to sRGB ({reason}); save the image as sRGB, or without the profile",
        path.display()
    )]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong with the profile.
        reason: String,
    },
}
