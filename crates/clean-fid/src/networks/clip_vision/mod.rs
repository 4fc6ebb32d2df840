//! The image side of CLIP.

mod block;
mod config;
mod model;

pub use config::ClipVisionConfig;
pub use model::ClipVision;
