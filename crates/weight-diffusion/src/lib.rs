//! weight-diffusion
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batch;
mod config;
mod dataset;
mod denoiser;
mod error;
mod files;
mod flat;
mod generator;
mod noise;
mod sampler;
mod schedule;
mod text;
mod trainer;
mod unet;

pub use config::{TimestepSampling, TrainConfig};
pub use dataset::{BlockDataset, DatasetSpec, NormStats, Record};
pub use denoiser::{Denoiser, TextCondition};
pub use error::Error;
pub use files::Precision;
pub use generator::{CONFIG_FILE, Prediction, WEIGHTS_FILE, WeightGenerator};
pub use sampler::{SampleOptions, ddim, ddim_step, one_step};
pub use schedule::{BetaSchedule, NoiseSchedule};
pub use text::{HostText, TextSpec};
pub use trainer::{StepStats, Trainer};
pub use unet::{Parameterization, UNet1d, UNet1dConfig};
