#![doc = include_str!("../README.md")]
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
