//! pix2pix's generator of ResNet blocks (Isola et al., 2017, §6.1.1; Johnson et al., 2016).

mod block;
mod config;
mod conv;
mod generator;
mod names;

pub use config::ResnetConfig;
pub use generator::ResnetGenerator;
