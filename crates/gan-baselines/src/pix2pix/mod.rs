//! pix2pix's generator of ResNet blocks (Isola et al., 2017, §6.1.1; Johnson et al., 2016).
//!
//! The original is tested with dropout and with the statistics of the one photo at hand; `finetune` measures in
//! [`Pass::Eval`](lora_gan::Pass::Eval), without dropout and with running statistics. With instance norm and no dropout,
//! as in [`ResnetConfig::compact`], both are the same.

mod block;
mod config;
mod conv;
mod generator;
mod names;

pub use config::ResnetConfig;
pub use generator::ResnetGenerator;
