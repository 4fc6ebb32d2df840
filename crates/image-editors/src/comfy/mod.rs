//! ComfyUI: workflows, jobs, answers.

mod editor;
pub(crate) mod reply;
mod workflow;

pub use editor::{ComfyEditor, ComfySettings};
pub use workflow::{Workflow, WorkflowError};
