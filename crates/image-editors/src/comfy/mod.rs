//! ComfyUI: workflows, jobs, answers.

mod editor;
pub(crate) mod history;
pub(crate) mod reply;
mod result;
mod workflow;
mod workflow_error;

pub use editor::{ComfyEditor, ComfySettings};
pub use workflow::Workflow;
pub use workflow_error::WorkflowError;
