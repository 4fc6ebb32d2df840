//! The hybrid ResNet + transformer generator.

mod check;
mod config;
mod hybrid;
mod size;
mod summary;
mod transformer;
mod units;

pub use config::{GeneratorConfig, NoiseInput};
pub use hybrid::{Context, HybridGenerator, Mode, ResBlock};
pub use summary::{GeneratorSummary, LayerSummary};
pub use transformer::{Attention, TransformerBlock};
