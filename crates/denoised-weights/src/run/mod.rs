//! What a long run keeps on disk: files written whole or not at all, locks, and what the run is of.

mod files;
mod identity;
mod lock;

pub(crate) use files::write_image;
pub use files::{check_writable, discard, write, write_json, write_png};
pub use identity::claim;
pub use lock::RunLock;
