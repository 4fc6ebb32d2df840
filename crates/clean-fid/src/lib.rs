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
//! # Folders, and FID
//!
//! [`Extractor`] reads the images of an [`ImageFolder`], batch by batch, and gives [`FeatureStatistics`] whose memory
//! does not grow with the number of images; they are saved and loaded as `.npz` files like those of `pytorch-fid` and of
//! the Python `clean-fid`. With [`InceptionV3`] that is Clean-FID as Parmar et al. (2022) define it, with PIL's
//! antialiased bicubic resize ([`images::ResizeMode::Clean`]), or one of the older resizes that they compare with.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use clean_fid::{Extractor, FeatureStatistics, ImageFolder, InceptionV3Config};
//!
//! # fn main() -> Result<(), clean_fid::Error> {
//! let device = Device::flex();
//! let network = InceptionV3Config::new().load("pt_inception-2015-12-05-6726825d.pth", &device)?;
//! let extractor = Extractor::new(&network, &device);
//! let (real, made) = (ImageFolder::open("real")?, ImageFolder::open("made")?);
//! println!("FID {:.3}", extractor.frechet(&made, &real)?);
//!
//! let reference = FeatureStatistics::load("statistics-of-real.npz")?;
//! println!("FID {:.3}", extractor.frechet_to(&made, &reference)?);
//! # Ok(())
//! # }
//! ```
//!
//! # What a value is called
//!
//! *FID* and *KID* are these distances on the features of one network, InceptionV3 with the weights of the original
//! FID. On any other network the numbers are of another size, so they are named after it: [`FeatureNet::metric_name`]
//! gives `frechet-efficientnet-lite0-128` there, and `fid-clean` for [`InceptionV3`].
//!
//! # What is here, and what is not
//!
//! Networks: [`InceptionV3`], from `pytorch-fid`'s and `torch-fidelity`'s `.pth` files or safetensors, [`ClipVision`] for
//! FID-CLIP, and [`EfficientNetLite0`], whose weights the repository has. Between sets, in double precision: Fréchet
//! distance ([`frechet_distance`], [`distances::frechet_distance_of`], [`distances::generated_frechet`]), kernel distance
//! ([`kernel_distance`], [`distances::kernel_distance_subsets`]), precision, recall, density and coverage ([`distances::manifold_metrics`]).
//! Between images: [`l1`], [`psnr`], [`ssim`].
//!
//! Not here: weights of InceptionV3 and CLIP. A path is asked for; with the feature `hub`, which is off by default,
//! `InceptionV3Config::fetch` downloads InceptionV3's once and checks their digest. Nor image formats other than PNG,
//! JPEG and WebP.
//!
//! # Non-goals
//!
//! No training loss: features carry no gradient. No choice of backend: it is the device's.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod distances;
#[cfg(feature = "hub")]
pub mod download;
mod error;
pub mod images;
pub mod networks;

pub use distances::{
    FeatureSet, FeatureStatistics, FrechetReference, frechet_distance, kernel_distance, l1, psnr,
    ssim,
};
pub use error::Error;
pub use images::{ImageFolder, Picture};
pub use networks::{
    ClipVision, ClipVisionConfig, EfficientNetLite0, EfficientNetLite0Config, Extractor,
    FeatureNet, InceptionV3, InceptionV3Config,
};
