//! The hybrid ResNet + transformer generator.

mod config;
mod forward;
mod hybrid;
mod layers;
mod lora;
mod shape;
pub(crate) mod summary;
mod transformer;

pub use config::{GeneratorConfig, NoiseInput};
pub use hybrid::{HybridGenerator, ResBlock};
pub use transformer::{Attention, TransformerBlock};

pub(crate) use layers::{LAYERS, LayerSpec};
pub(crate) use shape::LayerShape;
