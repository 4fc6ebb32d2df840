//! Editors and chat models behind HTTP servers (feature `http`).

mod address;
mod backoff;
mod canvas;
mod chat;
mod client;
mod comfy;
mod comfy_reply;
mod config;
mod credentials;
mod host_gate;
mod inference;
mod one_request;
mod redact;
mod reply;
mod request;
mod settings;
mod webui;
mod workflow;

pub use chat::{ChatClient, ChatSettings, EmbeddingClient};
pub use comfy::{ComfyEditor, ComfySettings};
pub use config::{EditorApi, EditorConfig};
pub use credentials::Credentials;
pub use inference::{InferenceEditor, InferenceSettings};
pub use settings::HttpSettings;
pub use webui::{ControlUnit, WebUiEditor, WebUiSettings};
pub use workflow::Workflow;
