#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod colour;
mod complete;
mod decode;
mod error;
mod folder;
mod jpeg;
mod limits;
mod names;

pub use complete::{Cut, check_complete};
pub use decode::{decode_image, read_image};
pub use error::Error;
pub use folder::{ImageFiles, count_by_format, subfolders};
pub use limits::{ImageLimits, MAX_DECODED_BYTES, MAX_SIDE, plausible};
pub use names::{composed, file_name, is_hidden, stem};
