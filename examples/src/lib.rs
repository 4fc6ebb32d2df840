//! What the example programs share: the device, progress, the shipped assets, reports, pictures.
//!
//! The libraries never name a backend; [`cli::Common::device`] is where one is chosen.

pub mod assets;
pub mod baseline;
pub mod blocks;
pub mod cli;
pub mod confirm;
pub mod data;
pub mod denoised;
pub mod devices;
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
pub mod starts;
pub mod training;

/// Keeps freed memory for the next tensor: a training step frees and asks for hundreds of megabytes, and
/// a page that comes from the system anew costs more than the arithmetic on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the examples' functions give back: any error, already saying what to do.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
