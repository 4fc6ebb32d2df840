//! The integration tests, in one binary: each links Burn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod adapter_loss;
mod common;
mod divergence;
mod evaluator;
mod pairs;
mod pretrainer;
mod scratch;
mod starts;
mod state;
mod trainer;
