//! Image files and folders, decoded and resized as the reference implementations do it.

mod decode;
mod folder;
mod jpeg;
mod picture;
pub(crate) mod readback;
pub(crate) mod resize;

pub use folder::ImageFolder;
pub use picture::Picture;
pub use resize::{HostResize, ResizeMode};
