//! Training a LoRA-GAN for one concept.
//!
//! An [`Initializer`] gives the start (zero as in E²GAN, random, zoo mean, nearest zoo concept, or
//! a weight generator of another crate), a [`Recipe`] the hyper-parameters, and a
//! [`ConceptTrainer`] runs the epochs: only the adapter and the discriminator learn.
//! [`Evaluator`] measures between epochs, outside the clock. [`Pretrainer`] makes the base.
//!
//! ```
//! use burn::tensor::Device;
//! use finetune::{ConceptTrainer, Initializer, PairSet, Recipe, Zero};
//! use image::{Rgb, RgbImage};
//! use lora_gan::{GeneratorConfig, HybridGenerator};
//! use weight_blocks::WeightSpace;
//!
//! let device = Device::flex();
//! let base = HybridGenerator::new(&GeneratorConfig::compact(), 0, &device)?;
//! let photo = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 128]));
//! let grey = RgbImage::from_fn(64, 64, |x, y| Rgb([((x + y) * 2) as u8; 3]));
//! let pairs = PairSet::new(&[(photo, grey)], 64, &device)?;
//!
//! let start = Zero::new(base.read_weights()?).start("grey photo")?;
//! let recipe = Recipe { epochs: 1, ..Recipe::compact() };
//! let mut trainer = ConceptTrainer::new(&base, &start.weights, recipe, &device)?;
//! let losses = trainer.epoch(&pairs)?;
//! assert!(losses.l1 > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod adapter_loss;
mod adversary;
mod burnpack;
mod divergence;
mod error;
mod evaluator;
mod initializer;
mod pairs;
mod pretrain;
mod recipe;
pub mod selection;
mod state;
mod trainer;
mod translator;

pub use adapter_loss::AdapterLoss;
pub use error::Error;
pub use evaluator::{Evaluator, Quality, translate};
pub use initializer::{Initializer, Nearest, Random, Start, Zero, ZooMean};
pub use pairs::{PairSet, images_to_tensor, tensor_to_images};
pub use pretrain::{PretrainConcept, PretrainConfig, Pretrainer};
pub use recipe::Recipe;
pub use trainer::{ConceptTrainer, EpochLosses, GanTrainer};
pub use translator::{ImageTranslator, PairDiscriminator};
