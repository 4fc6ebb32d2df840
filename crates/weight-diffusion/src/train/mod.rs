//! Training a denoiser: on blocks, on what predicted networks do, or on both.

mod batch;
mod blocks;
mod combined;
mod config;
mod early_stop;
mod loss;
mod network_loss;
mod networks;
mod optimizer;
mod parallel;
pub(crate) mod parameter_vector;
mod state;
mod trainer;

pub use blocks::{BlockTrainer, Blocks};
pub use combined::{Combined, CombinedTrainer};
pub use config::{EarlyStop, TimestepSampling, TrainConfig};
pub use early_stop::Validation;
pub use network_loss::{LossError, NetworkLoss};
pub use networks::{NetworkTrainer, Networks};
pub use optimizer::StepStats;
pub use trainer::{Objective, Trainer};
