//! A LoRA-adapted image translator and its adversary, on any Burn backend.
//!
//! [`HybridGenerator`] is E²GAN's hybrid of ResNet and transformer blocks as "Efficient Training
//! with Denoised Neural Weights" (ECCV 2024) uses it: a frozen base, and per concept an adapter of
//! LoRA factors on every layer plus the norms' γ and β. [`PatchGan`] is pix2pix's conditional
//! patch discriminator; [`GanLoss`] and [`l1_loss`] are the terms of Eq. 4.
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
//! [`LoraConfig`] says which layers are adapted, with what rank and scale;
//! [`HybridGenerator::summary`] prints what that comes to. An [`AdapterSet`] switches adapters on one
//! base, [`MergedGenerator`] folds one in and out. [`HybridGenerator::save_peft`] and
//! [`HybridGenerator::load_peft`] are PEFT's folders, [`HybridGenerator::export`] is the merged network
//! for PyTorch.
//!
//! Not here: training loops (crate `finetune`), pix2pix and Co-Mod-GAN (crate `gan-baselines`), data, and
//! metrics.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod adapter;
mod checkpoint;
mod discriminator;
mod error;
mod export;
mod files;
mod generator;
pub mod init;
pub mod layers;
pub mod losses;
mod norm;
mod pass;
mod peft;
pub mod state_dict;
pub mod summary {
    //! Layers, shapes and counts of a generator.
    pub use crate::generator::summary::{GeneratorSummary, LayerSummary};
}

pub use adapter::{AdapterSet, MergedGenerator};
pub use checkpoint::BaseGenerator;
pub use discriminator::{PatchGan, PatchGanConfig};
pub use error::Error;
pub use generator::{GeneratorConfig, HybridGenerator, NoiseInput};
pub use layers::{LayerSet, LoraConfig, RankRule};
pub use losses::{GanLoss, l1_loss};
pub use norm::NormKind;
pub use pass::Pass;
pub use peft::PeftError;
