//! Parts that CLIP's and BERT's towers share. Plain tensors, not modules: the weights are frozen.

mod activation;
mod attention;
mod linear;
mod norm;

pub(crate) use activation::Activation;
pub(crate) use attention::{Mask, SelfAttention};
pub(crate) use linear::Linear;
pub(crate) use norm::Norm;
