//! InceptionV3 as the Fréchet Inception Distance has it.

mod builder;
mod config;
mod mixed;
mod model;
mod stages;
mod unit;
mod weights;

pub use config::InceptionV3Config;
pub use model::InceptionV3;
