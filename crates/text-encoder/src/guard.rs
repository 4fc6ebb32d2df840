//! Turns panics of libraries on damaged files and answers into errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `run` and turns its error into a message; a panic becomes the message `what`.
pub(crate) fn guarded<T, E: std::fmt::Display>(
    what: &str,
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err(what.into()),
    }
}
