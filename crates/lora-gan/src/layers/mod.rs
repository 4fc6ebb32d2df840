//! The layers that carry LoRA.

mod conv;
mod linear;
mod lora;
mod lora_config;
mod lora_resolve;
mod noise;

pub use crate::discriminator::PatchLayer;
pub use crate::norm::Norm;
pub use conv::ConvUnit;
pub use linear::LinearUnit;
pub use lora::LoraPair;
pub use lora_config::{LayerSet, LoraConfig, RankRule};

pub(crate) use conv::ConvUnitConfig;
pub(crate) use lora::LoraSpec;
pub(crate) use lora_resolve::LayerShape;
pub(crate) use noise::Noise;
