//! The integration tests, in one binary: each links Burn.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod adapting;
mod collecting;
mod common;
mod comparing;
mod editing;
mod lora_files;
mod prediction;
mod pretraining;
mod training;
mod training_folder;
mod training_options;
