//! A LoRA-adapted image translator and its discriminator, on any Burn backend.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use lora_gan::{GeneratorConfig, HybridGenerator, Pass};
//! use weight_blocks::WeightSpace;
//!
//! let device = Device::flex();
//! let mut generator = HybridGenerator::new(&GeneratorConfig::compact(), 0, &device)?;
//! let adapter = generator.read_weights()?;
//! assert_eq!(adapter["stem.lora_A.weight"].shape, [2, 3, 3, 3]);
//! generator.load_weights(&adapter)?;
//! let photo = Tensor::<4>::zeros([1, 3, 64, 64], &device);
//! let edited = generator.forward(photo, None, Pass::Eval)?;
//! assert_eq!(edited.dims(), [1, 3, 64, 64]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`HybridGenerator`] is E²GAN's hybrid of ResNet and transformer blocks as "Efficient Training
//! with Denoised Neural Weights" (ECCV 2024) uses it: a frozen base, and for each concept an adapter of
//! LoRA factors on every layer and of the norms' γ and β. The adapter is a [`weight_blocks::WeightSpace`]:
//! read it, cut it into blocks, load another. [`PatchGan`] is pix2pix's conditional patch discriminator;
//! [`GanLoss`] and [`l1_loss`] are the terms of Eq. 4.
//!
//! [`LoraConfig`] chooses the adapted layers, their ranks and scales; [`HybridGenerator::summary`] prints
//! the resulting layers and counts. An [`AdapterSet`] switches adapters and their prompts on one base, a
//! [`MergedGenerator`] has one merged in and can undo it. [`BaseGenerator`] is a base on disk. [`HybridGenerator::save_peft`] and
//! [`HybridGenerator::load_peft`] write and read PEFT's folders, [`HybridGenerator::export`] writes the merged
//! network for PyTorch.
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
