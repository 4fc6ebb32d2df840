//! Adapters as PEFT folders: `adapter_config.json` and `adapter_model.safetensors`.

mod config;
mod error;
mod read;
mod tensors;
mod write;

pub use error::PeftError;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
/// Factors of the transposed convolutions, which PEFT cannot hold.
const TRANSPOSED: &str = "lora_transposed.safetensors";
/// What PEFT puts before every name.
const PREFIX: &str = "base_model.model.";
/// Before the base's digest in `base_model_name_or_path`.
const BASE: &str = "sha256:";
