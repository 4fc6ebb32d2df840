//! The layers that the networks are made of.

mod conv;
mod linear;
mod lora;
mod lora_config;
mod lora_resolve;
mod phases;
mod run;

pub use crate::discriminator::PatchLayer;
pub use crate::generator::{Attention, ResBlock, TransformerBlock};
pub use crate::norm::Norm;
pub use conv::ConvUnit;
pub use linear::LinearUnit;
pub use lora::LoraPair;

pub(crate) use conv::ConvUnitConfig;
pub(crate) use lora::LoraLayer;
pub use lora_config::{LayerSet, LoraConfig, RankRule};
pub(crate) use run::{Run, Weights};
