//! The hybrid ResNet + transformer generator.

mod config;
mod hybrid;
mod transformer;

pub use config::GeneratorConfig;
pub use hybrid::{Context, HybridGenerator, Mode, ResBlock};
pub use transformer::{Attention, TransformerBlock};
