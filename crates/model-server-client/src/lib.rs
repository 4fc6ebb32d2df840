//! Requests to model servers that are slow, busy, and sometimes broken.
//!
//! ```no_run
//! use model_server_client::{Client, Credentials, HttpSettings, Request, bad_reply};
//!
//! let client = Client::new("http://127.0.0.1:8188", HttpSettings::default(), Credentials::none())?;
//! let answer = client.call(&Request::get("/queue"), |body| {
//!     let value = model_server_client::json(body)?;
//!     value["queue_running"].as_array().map(Vec::len).ok_or_else(|| bad_reply("no \"queue_running\""))
//! })?;
//! println!("{} jobs are running", answer.value);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Client::call`] sends a request until its answer can be used: after a transient failure (see
//! [`ServerError::is_transient`]) it waits and tries again, as [`HttpSettings`] allow. If a server asks for a pause
//! (`Retry-After`), every client of that host in this process pauses, whichever API or credentials it uses.
//!
//! What no further attempt can mend is not tried again: content filters ([`ServerError::Filtered`]), used-up quotas
//! ([`ServerError::QuotaUsedUp`]), streams and compressions that were not asked for, and what else an API's reader calls
//! [`unusable`].
//!
//! Answers are untrusted: their length is limited, and messages in them are shortened, stripped of control characters
//! and of the client's own credentials before they reach an error.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod address;
mod backoff;
mod client;
mod credentials;
mod error;
mod foreign;
mod host_gate;
mod redact;
mod reply;
mod reported;
mod request;
mod settings;

pub use client::{Answer, Client};
pub use credentials::Credentials;
pub use error::{ServerError, SetupError};
pub use foreign::foreign;
pub use reply::{bad_reply, json, shorten, unusable};
pub use request::Request;
pub use settings::HttpSettings;
