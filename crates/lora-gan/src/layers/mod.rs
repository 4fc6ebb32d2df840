//! The layers that carry LoRA.

mod conv;
mod init;
mod linear;
mod lora;

pub use conv::ConvUnit;
pub use linear::LinearUnit;
pub use lora::{LoraPair, LoraSpec};

pub(crate) use conv::ConvUnitConfig;
pub(crate) use init::normal;
