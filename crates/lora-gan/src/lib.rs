//! A LoRA-adapted image translator and its adversary, on any Burn backend.
//!
//! [`HybridGenerator`] is E²GAN's hybrid of ResNet and transformer blocks as "Efficient Training
//! with Denoised Neural Weights" (ECCV 2024) uses it: a frozen base, and per concept an adapter of
//! LoRA factors on every layer plus the norms' γ and β. [`PatchGan`] is pix2pix's conditional
//! patch discriminator; [`discriminator_loss`], [`generator_gan_loss`] and [`l1_loss`] are Eq. 4.
//!
//! The adapter is a [`weight_blocks::WeightSpace`]: read it, cut it into blocks, load another.
//!
//! ```
//! use burn::tensor::Device;
//! use lora_gan::{GeneratorConfig, HybridGenerator};
//! use weight_blocks::WeightSpace;
//!
//! let mut generator = HybridGenerator::new(&GeneratorConfig::compact(), 0, &Device::flex())?;
//! let adapter = generator.read_weights()?;
//! assert_eq!(adapter["stem.lora_A.weight"].shape, [2, 3, 3, 3]);
//! generator.load_weights(&adapter)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: training loops (crate `finetune`), data, and metrics.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod adapter;
mod checkpoint;
mod discriminator;
mod error;
mod generator;
mod layers;
mod loss;

pub use checkpoint::BaseGenerator;
pub use discriminator::{PatchGan, PatchGanConfig, PatchLayer};
pub use error::Error;
pub use generator::{
    Attention, Context, GeneratorConfig, HybridGenerator, Mode, ResBlock, TransformerBlock,
};
pub use layers::{ConvUnit, LinearUnit, LoraPair, LoraSpec};
pub use loss::{bce_with_logits, discriminator_loss, generator_gan_loss, l1_loss};
