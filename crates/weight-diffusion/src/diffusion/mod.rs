//! The diffusion process: schedules, what a network predicts, and sampling.

mod denoiser;
pub(crate) mod noise;
mod parameterization;
mod sampler;
mod schedule;
mod solver;

pub use denoiser::{Denoiser, TextCondition};
pub use parameterization::Parameterization;
pub use sampler::{SampleOptions, Sampler, ddim, multi_step, one_step};
pub use schedule::{BetaSchedule, NoiseSchedule};
pub use solver::{ancestral_step, ddim_step, dpm_solver_step};
