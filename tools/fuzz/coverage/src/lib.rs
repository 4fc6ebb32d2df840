//! What the fuzzers share: files in memory, mutations that know the formats, and comparisons.
//!
//! `docs/reliability.md` says how to run them. A target panics if a reader panics, if a second reading of an accepted input
//! gives something else, if what was read does not come back from the crate's own writer, or if an error has no message.

mod files;
mod images;
mod mutations;
mod panics;
mod tensors;

pub use files::{Folder, Scratch};
pub use images::{Decoded, check_image};
pub use mutations::{mutate, mutate_after_first};
pub use panics::catching;
pub use tensors::check_tensors;

use std::fmt::{Debug, Display};

/// Reads once, and again if that succeeds. `None` if the input is refused.
///
/// # Panics
/// Panics if the two contents differ, or an error has no message.
pub fn twice<T: PartialEq + Debug, E: Display>(read: impl Fn() -> Result<T, E>) -> Option<T> {
    let first = accepted(read())?;
    match read() {
        Ok(second) => assert_eq!(first, second, "another content the second time"),
        Err(error) => panic!("accepted, then refused: {error}"),
    }
    Some(first)
}

/// The content, or `None` if the input is refused.
///
/// # Panics
/// Panics if the error has no message.
pub fn accepted<T, E: Display>(read: Result<T, E>) -> Option<T> {
    match read {
        Ok(content) => Some(content),
        Err(error) => {
            assert!(
                !error.to_string().trim().is_empty(),
                "an error without a message"
            );
            None
        }
    }
}

/// The content of what was just written, which has to be readable.
///
/// # Panics
/// Panics if it is not.
pub fn written<T, E: Display>(read: Result<T, E>) -> T {
    match read {
        Ok(content) => content,
        Err(error) => panic!("what was accepted cannot be written and read back: {error}"),
    }
}
