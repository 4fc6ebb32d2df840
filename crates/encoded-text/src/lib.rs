//! Prompts that a text encoder has turned into tokens.
//!
//! ```
//! use burn::tensor::Device;
//! use encoded_text::{EncodedPrompt, TextCondition};
//!
//! // Two prompts of 2 and 1 tokens, 3 wide.
//! let prompts = [EncodedPrompt::new(vec![1.0; 6], 2), EncodedPrompt::new(vec![2.0; 3], 1)];
//! let text = TextCondition::from_host(&prompts, 3, &Device::flex())?;
//! assert_eq!(text.tokens.dims(), [2, 2, 3]);
//! assert!(text.mask.into_data().iter::<bool>().eq([true, true, true, false]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod condition;
mod encoder_id;
mod prompt;

pub use condition::TextCondition;
pub use encoder_id::EncoderId;
pub use prompt::{EncodedPrompt, Error};
