//! The catalogue and its edits, folders of photos and pairs, photo preparation.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod catalogue;
#[cfg(feature = "faces")]
mod faces;
mod folders;
mod foreign_folders;
mod grammar;
mod ops;
mod prepare;
