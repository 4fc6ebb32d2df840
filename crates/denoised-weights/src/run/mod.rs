//! What a long run keeps on disk: files written whole or not at all, locks, and what the run is of; and the check that its
//! outputs replace no input.

mod files;
mod identity;
mod lock;

pub(crate) use files::write_image;
pub use files::{check_writable, discard, write, write_json, write_png};
pub use identity::{Difference, claim};
pub(crate) use identity::{differences, listed, other_run};
pub use lock::lock_training;
pub use resumable_runs::{Lock, Places, read_json, read_lines, same_place, trimmed};
