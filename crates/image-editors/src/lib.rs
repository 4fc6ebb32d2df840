//! Image editors behind HTTP servers, and editing runs that choose the best of their edits.
//!
//! ```no_run
//! use concepts::{ImageEditor, read_photos};
//! use image_editors::{Credentials, HttpSettings, WebUiEditor, WebUiSettings};
//!
//! let editor = WebUiEditor::new(
//!     "sd15",
//!     "http://127.0.0.1:7860",
//!     WebUiSettings::default(),
//!     HttpSettings::default(), // timeouts, retries, limits
//!     Credentials::none(),
//! )?;
//! let photo = &read_photos("photos".as_ref(), 256)?[0];
//! editor.edit(&photo.image, "charcoal sketch", 7)?.save("sketch.png")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | task | items |
//! | --- | --- |
//! | AUTOMATIC1111, Forge | [`WebUiEditor`], [`WebUiSettings`], [`ControlUnit`] |
//! | ComfyUI | [`ComfyEditor`], [`ComfySettings`], [`Workflow`] |
//! | Hugging Face's image-to-image API | [`InferenceEditor`], [`InferenceSettings`] |
//! | editors described in a file | [`EditorConfig`], [`EditorApi`] |
//! | many photos, several editors, the best edits | [`run`] |
//! | how good an edit is | [`quality`], with CLIP if the feature `clip` is enabled |
//!
//! An editor that fails returns [`concepts::Error::Editor`], whose source is a [`ServerError`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod accept;
mod comfy;
mod config;
mod error;
// Set by cargo-fuzz.
#[allow(unexpected_cfgs)]
#[doc(hidden)]
pub mod fuzzing;
mod inference;
mod multipart;
mod one_request;
pub mod quality;
mod reply;
pub mod run;
mod webui;
mod working_size;

pub use comfy::{ComfyEditor, ComfySettings, Workflow, WorkflowError};
pub use config::{ComfyConfig, EditorApi, EditorConfig};
pub use error::Error;
pub use inference::{InferenceEditor, InferenceSettings};
pub use model_server_client::{Credentials, HttpSettings, ServerError, SetupError};
pub use webui::{ControlUnit, WebUiEditor, WebUiSettings};
