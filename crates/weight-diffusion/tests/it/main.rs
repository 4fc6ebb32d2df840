//! Integration tests, in one binary so that Burn is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod data_parallel;
mod dataset;
mod early_stop;
mod guidance;
#[cfg(target_os = "linux")]
mod large_zoo;
mod network_loss;
mod sampling;
mod shipped;
mod state;
mod step_time;
mod streamed;
mod training;
mod weight_generator;
