#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod atomic;
pub mod digest;

mod decode;
mod error;
mod file;
mod header;
mod limit;
mod named;
mod parts;
#[cfg(feature = "pytorch")]
mod pytorch;
mod tensor;
mod text;
mod write;

pub use error::{Error, HeaderError};
pub use file::{TensorFile, TensorInfo};
pub use limit::read_limited;
pub use named::{load_safetensors, save_safetensors};
#[cfg(feature = "pytorch")]
pub use pytorch::PytorchError;
pub use safetensors::Dtype;
pub use tensor::{HostTensor, NamedTensors};
pub use text::decode_text;
pub use write::SafetensorsWriter;
