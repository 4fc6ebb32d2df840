//! Building blocks of long runs that can be interrupted at any time and started again.
//!
//! ```
//! use resumable_runs::{Lock, read_json, sha256_hex, write_json};
//!
//! let dir = tempfile::tempdir()?;
//! let lock = Lock::take(dir.path().join(".lock"))?;
//! assert!(Lock::take(dir.path().join(".lock")).is_err(), "one writer at a time");
//!
//! let record = dir.path().join("edits/a.json"); // creates the folder
//! write_json(&record, &["sha256", &sha256_hex(b"pixels")])?;
//! assert_eq!(read_json::<Vec<String>>(&record)?.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | task | items |
//! | --- | --- |
//! | files with a size limit | [`read`], [`read_json`] |
//! | texts, whatever editor wrote them | [`read_text`], [`read_lines`], [`trimmed`] |
//! | outputs that replace neither inputs nor one another | [`Places`], [`same_place`] |
//! | files that appear whole or not at all | [`write()`], [`write_json`], [`write_unsynced`], [`remove_abandoned`] |
//! | one writer at a time | [`Lock`] |
//! | digests that identify a task or a file | [`sha256_hex`], [`sha256_parts`], [`hex`] |
//! | work on several threads, paced | [`workers`] |
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod digest;
mod error;
mod files;
mod lock;
mod places;
pub mod workers;

pub use digest::sha256_parts;
pub use error::{Error, io_error};
pub use files::{
    create_dir, read, read_json, read_lines, read_text, remove_abandoned, trimmed, write,
    write_json, write_unsynced,
};
pub use lock::Lock;
pub use places::{Places, same_place};
pub use tensor_file::digest::{hex, sha256_hex};
