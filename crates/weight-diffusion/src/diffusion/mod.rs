//! The diffusion process: schedules, what a network predicts, and sampling.

mod denoiser;
#[cfg(test)]
mod diffusers_tests;
pub(crate) mod noise;
mod parameterization;
mod sampler;
mod schedule;
mod solver;

pub use denoiser::Denoiser;
pub use parameterization::Parameterization;
pub(crate) use sampler::one_step_token_gradient;
pub use sampler::{SampleOptions, Sampler, multi_step, one_step};
pub use schedule::{BetaSchedule, NoiseSchedule};
