//! Frozen text encoders behind one trait, for models that are steered by a short prompt.
//!
//! [`TextEncoder`] turns prompts into token embeddings `[B, L, C]` for cross-attention, with their mask `[B, L]`, and into
//! one pooled vector per prompt. [`StaticEncoder`] is the default: a table of 30,522 WordPiece tokens by 128
//! dimensions, distilled from all-MiniLM-L6-v2 in the way of
//! [Model2Vec](https://github.com/MinishLab/model2vec), compiled into the library (feature `embedded`, on by default),
//! so that a prompt works with no download and no network pass. [`ClipText`] and [`MiniLm`] read Hugging Face folders
//! from the disk, [`open_encoder`] whichever kind a folder is; [`CachedEncoder`] keeps any encoder's results in a folder.
//! With the feature `hub`, `HuggingFaceHub` fetches folders from the Hugging Face hub by name.
//!
//! ```
//! use burn::tensor::Device;
//! use text_encoder::{StaticEncoder, TextEncoder, nearest};
//!
//! # fn main() -> Result<(), text_encoder::Error> {
//! let encoder = StaticEncoder::embedded()?;
//! let device = Device::flex();
//! let text = encoder.condition(&["charcoal sketch", "a teal oil painting"], &device)?;
//! assert_eq!(text.tokens.dims(), [2, 5, 128]); // a, tea, ##l, oil, painting
//!
//! // Which known concept is closest to a new prompt? On the host, no device needed.
//! let known = encoder.encode_pooled(&["oil painting", "graphite sketch", "neon glow"])?;
//! let query = encoder.encode_pooled(&["pencil drawing"])?;
//! let (index, _cosine) = nearest(&query[0], &known)?;
//! assert_eq!(index, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Non-goals
//!
//! No training or fine-tuning of encoders, no tokenizer training, no images. Word order and context are not seen by the
//! static encoder: "red on blue" and "blue on red" have the same tokens in another order and the same pooled vector.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod batches;
mod cache;
mod clip_text;
mod digest;
mod encoder;
mod error;
mod files;
// Set by cargo-fuzz.
#[allow(unexpected_cfgs)]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod host;
#[cfg(feature = "hub")]
mod hub;
mod layers;
mod mini_lm;
mod open;
mod pipeline;
mod similarity;
mod static_encoder;
mod tokenizer_files;
mod tokens;
mod weights;

pub use batches::DEFAULT_BATCH;
pub use cache::CachedEncoder;
pub use clip_text::{ClipLayer, ClipText, ClipTextOptions, Projection};
pub use encoded_text::{EncodedPrompt, EncoderId, TextCondition};
pub use encoder::TextEncoder;
pub use error::Error;
#[cfg(feature = "hub")]
pub use hub::{HubError, HuggingFaceHub};
pub use mini_lm::MiniLm;
pub use open::open_encoder;
pub use similarity::{cosine_similarity, nearest};
pub use static_encoder::{DEFAULT_MAX_TOKENS, StaticEncoder, TOKENIZER_FILE, WEIGHTS_FILE};
pub use tokens::TokenIds;
