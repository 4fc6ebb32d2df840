//! EfficientNet-Lite0 without its classifier.

mod block;
mod config;
mod model;
mod weights;

pub use config::{EfficientNetLite0Config, ResizeFilter};
pub use model::EfficientNetLite0;
