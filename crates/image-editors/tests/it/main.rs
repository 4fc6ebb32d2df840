//! Editors against local servers with every kind of fault, and editing runs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "clip")]
mod clip;
mod editors;
mod holds;
mod replies;
mod runs;

use std::error::Error;

use image_editors::ServerError;

/// The [`ServerError`] among the sources of `error`.
fn server_error<'a>(error: &'a (dyn Error + 'static)) -> &'a ServerError {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<ServerError>() {
            return found;
        }
        next = error.source();
    }
    panic!("{error} comes from no server");
}
