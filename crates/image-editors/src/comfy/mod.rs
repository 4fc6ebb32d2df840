//! ComfyUI: workflows, jobs, answers.

mod editor;
mod reply;
mod workflow;

pub use editor::{ComfyEditor, ComfySettings};
pub use workflow::{Workflow, WorkflowError};
