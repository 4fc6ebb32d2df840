//! Blocks, zoos and LoRA files through the public interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod block_reader;
mod codec;
mod common;
mod cut_files;
mod lora_file;
mod lora_scales;
#[cfg(feature = "burn")]
mod module_space;
mod normalize;
mod zoo;
mod zoo_merge;
