//! The networks that "Efficient Training with Denoised Neural Weights" (ECCV 2024, Table 1) compares with.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use gan_baselines::pix2pix::{ResnetConfig, ResnetGenerator};
//! use lora_gan::Pass;
//!
//! let device = Device::flex();
//! let generator = ResnetGenerator::new(&ResnetConfig::compact(), 0, &device)?;
//! let photo = Tensor::<4>::zeros([1, 3, 64, 64], &device);
//! let edited = generator.forward(photo, Pass::Eval)?;
//! assert_eq!(edited.dims(), [1, 3, 64, 64]);
//! # Ok::<(), gan_baselines::Error>(())
//! ```
//!
//! - [`pix2pix`]: the generator of ResNet blocks, which reads the original's `.pth` checkpoints. Its
//!   discriminator is [`lora_gan::PatchGan`].
//! - [`comod`]: the generator and the discriminator of Co-Mod-GAN.
//! - [`penalties`]: R1 and WGAN-GP for any discriminator that implements [`Critic`].
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod comod;
mod error;
pub mod penalties;
pub mod pix2pix;

pub use comod::{CoModConfig, CoModDiscriminator, CoModGenerator};
pub use error::Error;
pub use penalties::{Critic, gradient_penalty, r1_penalty};
pub use pix2pix::{ResnetConfig, ResnetGenerator};
