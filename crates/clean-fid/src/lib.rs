//! Distances between sets of images, and between images and their targets.
//!
//! A [`FeatureNet`] describes each image by one vector; [`FrechetReference`] and [`frechet_distance`] compare the
//! Gaussians fitted to two sets of them, [`kernel_distance`] their mean embeddings (unbiased, so fair to small sets).
//! [`l1`], [`psnr`] and [`ssim`] compare image with image.
//!
//! ```no_run
//! use burn::tensor::{Device, Distribution, Tensor};
//! use clean_fid::{EfficientNetLite0Config, FeatureNet, FeatureSet, FrechetReference, kernel_distance};
//!
//! # fn main() -> Result<(), clean_fid::Error> {
//! let device = Device::flex();
//! let network = EfficientNetLite0Config::new()
//!     .with_input_size(128)
//!     .load("assets/efficientnet-lite0/efficientnet-lite0.safetensors", &device)?;
//!
//! // [B, 3, H, W], sRGB in 0..1
//! let targets = Tensor::<4>::random([40, 3, 64, 64], Distribution::Uniform(0.0, 1.0), &device);
//! let outputs = Tensor::<4>::random([40, 3, 64, 64], Distribution::Uniform(0.2, 0.8), &device);
//!
//! let targets = FeatureSet::extract(&network, targets, 16)?;
//! let reference = FrechetReference::new(&targets)?; // once; then every epoch:
//! let outputs = FeatureSet::extract(&network, outputs, 16)?;
//! println!("{}: {:.3}", network.metric_name("frechet"), reference.distance(&outputs)?);
//! println!("{}: {:.5}", network.metric_name("kernel"), kernel_distance(&targets, &outputs)?);
//! # Ok(())
//! # }
//! ```
//!
//! # What a value is called
//!
//! *FID* and *KID* are these distances on the features of one network, InceptionV3. On any other network the numbers
//! are of another size, so they are named after it: [`FeatureNet::metric_name`] gives
//! `frechet-efficientnet-lite0-128`, and nothing here prints "FID".
//!
//! # What is here, and what is not yet
//!
//! Here: [`EfficientNetLite0`] as feature network, Fréchet and kernel distances in double precision, paired metrics.
//! Not yet: InceptionV3 (so no FID proper), the antialiased resize that makes FID "clean" (Parmar et al., 2022), image
//! folders and files, `.npz` statistics, streaming statistics, precision and recall.
//!
//! # Non-goals
//!
//! No training loss: features carry no gradient. No choice of backend: it is the device's.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod efficientnet_lite;
mod error;
mod features;
mod frechet;
mod kernel;
mod network;
mod paired;
mod read;
mod ssim;

pub use efficientnet_lite::{EfficientNetLite0, EfficientNetLite0Config, Resize};
pub use error::Error;
pub use features::FeatureSet;
pub use frechet::{FrechetReference, frechet_distance};
pub use kernel::{SubsetEstimate, Subsets, kernel_distance, kernel_distance_subsets};
pub use network::FeatureNet;
pub use paired::{l1, psnr, ssim};
