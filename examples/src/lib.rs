//! The command-line plumbing that the example programs share: options, progress, and the check that
//! nothing they write replaces what they read.
//!
//! The libraries never name a backend; [`cli::Common::device`] chooses one.

pub mod apply;
pub mod cli;
pub mod confirm;
pub mod far;
pub mod limits;
pub mod options;
pub mod progress;
pub mod prompts;
pub mod training;

pub use denoised_weights::run as files;

/// Methods of comparisons, in the order of their colours in charts.
pub const METHODS: &[&str] = &[
    "zero",
    "denoised",
    "mean",
    "nearest",
    "wrong_prompt",
    "comod",
    "pix2pix",
    "denoised_l1",
];

/// Keeps freed memory for the next tensor: a training step allocates and frees hundreds of megabytes, and a fresh page from
/// the system costs more than the arithmetic on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The result of the programs' functions: any error, whose message says what to do.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
