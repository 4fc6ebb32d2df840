//! A local HTTP server with faults on demand, and fakes of the servers that the workspace's clients talk to.
#![allow(missing_docs, reason = "test support, whose names say what it does")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod chat;
pub mod comfy;
mod gzip;
mod images;
#[cfg(unix)]
pub mod kill;
mod server;
mod settings;

pub use gzip::gzip;
pub use images::{fake_edit, photo, png, png_header};
pub use server::{Reply, Request, Server, chunked, json, ok, status};
pub use settings::{client_for, hasty, impatient, slow};
