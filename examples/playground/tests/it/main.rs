//! The server as its clients see it, in one binary: each links Burn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod client;
mod prompts;
mod safety;
mod styles;
