//! Files through the public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[cfg(feature = "pytorch")]
mod hostile_checkpoints;
mod safetensors_files;
