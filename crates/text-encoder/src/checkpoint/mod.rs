//! Reading Hugging Face folders.

mod digest;
mod files;
mod pytorch;
mod safetensors;
mod weights;

pub(crate) use digest::CheckpointDigest;
pub(crate) use files::{read_json, read_optional, read_small};
pub(crate) use weights::Weights;
