//! Frozen networks that describe an image by one vector, and running folders of images through them.

mod clip_vision;
mod efficientnet_lite;
mod extractor;
mod feature_net;
mod inception;
mod weights;

pub use clip_vision::{ClipVision, ClipVisionConfig};
pub use efficientnet_lite::{EfficientNetLite0, EfficientNetLite0Config, ResizeFilter};
pub use extractor::Extractor;
pub use feature_net::FeatureNet;
pub use inception::{InceptionV3, InceptionV3Config};
pub use weights::WeightError;
