//! Layers of this workspace's networks in fewer passes over memory.
//!
//! Burn composes a layer of tensor operations, and each of them reads and writes whole tensors: on a
//! CPU a group norm, an activation and a convolution cost more in memory traffic than in arithmetic. The
//! functions here compute the same values on Burn's CPU backend with one kernel (cargo feature `flex`),
//! forward and backward; on any other device, for floats that are not of 32 bits, and under gradient
//! checkpointing, they are the composition of tensor operations that their documentation gives.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//!
//! let device = Device::flex();
//! let x = Tensor::<2>::random([4, 6], Distribution::Default, &device);
//! let weight = Tensor::<2>::random([6, 3], Distribution::Default, &device);
//! let y = fused_ops::linear(x.clone(), weight.clone(), None, None);
//! let difference = (y - x.matmul(weight)).abs().max().into_scalar::<f32>();
//! assert!(difference < 1e-5);
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod activation;
mod adamw;
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
pub use adamw::{AdamW, adamw_step, moving_average, squared_norm};
pub use attention::attention;
pub use channel_norm::{Affine, batch_norm_train, instance_norm};
pub use conv2d::{AdaptedConv2d, ConvKind, LowRank, conv_transpose2d, conv2d};
pub use feed_forward::{GatedFeedForward, gated_feed_forward};
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use norm_conv1d::{GroupNorm, norm_silu_conv1d};
pub use reflect_pad::reflect_pad2d;
