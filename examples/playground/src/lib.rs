//! A local web page to play with: a prompt in, an edited photograph out, an adapter to take away, and your own style.
//!
//! The page is in `static/` and is compiled into the program. The server listens on the loopback interface unless it is
//! given a token; `docs/playground.md` in the repository describes its options and what it refuses.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod api;
mod drafts;
mod guard;
mod limits;
mod page;
mod refusal;
mod server;
mod setup;
mod slot;
mod training;
mod uploads;
mod workbench;

pub use guard::Access;
pub use server::{Playground, serve};
pub use workbench::Workbench;
