//! What the example programs share: the device, progress, the shipped assets, reports, pictures.
//!
//! The libraries never name a backend; [`cli::Common::device`] is where one is chosen.

pub mod assets;
pub mod cli;
pub mod confirm;
pub mod devices;
pub mod layout;
pub mod picture;
pub mod progress;
pub mod report;
pub mod training;

pub use denoised_weights::run as files;

/// Keeps freed memory for the next tensor: a training step frees and asks for hundreds of megabytes, and
/// a page that comes from the system anew costs more than the arithmetic on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the examples' functions give back: any error, already saying what to do.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
