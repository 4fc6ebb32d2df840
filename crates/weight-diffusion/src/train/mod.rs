//! Training a denoiser.

mod batch;
mod config;
mod early_stop;
mod network_loss;
mod parallel;
pub(crate) mod parameter_vector;
mod state;
mod trainer;

pub use config::{EarlyStop, TimestepSampling, TrainConfig};
pub use early_stop::Validation;
pub use network_loss::{LossError, NetworkLoss};
pub use trainer::{StepStats, Trainer};
