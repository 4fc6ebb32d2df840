//! What the example programs share: the device, progress, the shipped assets, reports, pictures.
//!
//! The libraries never name a backend; [`cli::Common::device`] is where one is chosen.

pub mod assets;
pub mod blocks;
pub mod cli;
pub mod clip_score;
pub mod confirm;
pub mod data;
pub mod denoised;
pub mod files;
pub mod identity;
pub mod layout;
pub mod metrics;
pub mod overfit;
pub mod picture;
pub mod progress;
pub mod report;
pub mod rivals;
pub mod sources;
pub mod training;

/// What the examples' functions give back: any error, already saying what to do.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
