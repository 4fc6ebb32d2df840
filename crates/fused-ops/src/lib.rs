#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod activation;
mod adam;
mod attention;
mod channel_norm;
mod conv2d;
mod feed_forward;
mod gelu;
#[cfg(feature = "flex")]
mod kernel;
mod layer_norm;
mod linear;
mod norm_conv1d;
mod reflect_pad;
#[cfg(test)]
mod testing;

pub use activation::Activation;
pub use adam::{Adam, AdamW, adam_step, adamw_step, moving_average, squared_norm};
pub use attention::attention;
pub use channel_norm::{Affine, batch_norm_train, instance_norm};
pub use conv2d::{AdaptedConv2d, ConvKind, LowRank, conv_transpose2d, conv2d};
pub use feed_forward::{GatedFeedForward, gated_feed_forward};
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use norm_conv1d::{GroupNorm, norm_silu_conv1d};
pub use reflect_pad::reflect_pad2d;
