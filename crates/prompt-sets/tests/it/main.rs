//! Prompt sets, generation and refilling, and chat and embedding clients against a local server.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(feature = "http")]
mod chat;
mod refill;
#[cfg(feature = "http")]
mod replies;
mod sets;
