#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod adam;
mod adapter_loss;
mod adversary;
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
pub use pairs::{PairSet, image_to_tensor, images_to_tensor, tensor_to_images};
pub use pretrain::{PretrainBatch, PretrainConfig, Pretrainer};
pub use recipe::Recipe;
pub use trainer::{ConceptTrainer, EpochLosses, GanTrainer};
pub use translator::{ImageTranslator, PairDiscriminator};
