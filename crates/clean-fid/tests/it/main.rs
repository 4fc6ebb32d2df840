//! Integration tests, in one binary: they compare with the reference implementations through `tests/fixtures`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checkpoint;
mod clip_vision;
mod common;
mod decode;
mod distances;
#[cfg(feature = "hub")]
mod download;
mod folder;
mod inception;
mod manifold;
mod network;
mod paired;
mod resize;
mod statistics;
