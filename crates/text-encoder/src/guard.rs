//! Libraries that panic on some of what files and servers may hold.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `run` and turns an error, or a panic (`what` says what that means), into a message.
pub(crate) fn guarded<T, E: std::fmt::Display>(
    what: &str,
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err(what.into()),
    }
}
