//! Weight generators for LoRA files that other tools wrote: a folder of adapters with their prompts becomes a zoo, and
//! predicted weights become a file of the same format, for PEFT, diffusers and kohya's sd-scripts.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use denoised_weights::lora_files::{LoraCollecting, LoraWriter, collect_lora_files, list_lora_files};
//! use denoised_weights::{PromptEncoder, burn::tensor::Device, weight_diffusion::WeightGenerator};
//!
//! let files = list_lora_files(Path::new("my-adapters"))?;
//! let zoo = collect_lora_files(&files, Path::new("zoo"), &LoraCollecting::default(), |_| ())?;
//! // … train a generator on the zoo: `denoised_weights::training::train`
//! let device = Device::flex();
//! let generator = WeightGenerator::load(Path::new("generator"), &device)?;
//! let prompt = "a fresco in blue";
//! let tokens = PromptEncoder::embedded()?.tokens(prompt)?;
//! let prediction = generator.predict(&tokens, &generator.defaults(), &device)?;
//! let writer = LoraWriter::open(&zoo)?;
//! writer.check(&generator, Path::new("generator"))?;
//! let path = writer.path(Path::new("out"), "a-fresco-in-blue");
//! writer.write(&path, prompt, &prediction.weights)?;
//! # Ok::<(), denoised_weights::Error>(())
//! ```

mod align;
mod collect;
mod error;
mod fit;
mod folder;
mod template;
mod write;

pub use collect::{LoraCollecting, collect_lora_files};
pub use error::LoraFilesError;
pub use folder::{PromptedLora, list_lora_files};
pub use write::LoraWriter;

/// The file of weights in a folder of PEFT.
const PEFT_WEIGHTS: &str = "adapter_model.safetensors";
