//! The residual block of pix2pix.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fused_ops::Activation;
use rand_chacha::ChaCha8Rng;

use super::conv::{ConvLayer, Resize};
use lora_gan::NormKind;
use lora_gan::Pass;

/// conv3×3 – norm – ReLU – dropout – conv3×3 – norm, added to its input `[B, C, H, W]`.
#[derive(Module, Debug)]
pub(crate) struct ResnetBlock {
    /// The first convolution and norm.
    pub(crate) conv1: ConvLayer,
    /// The second; no activation follows.
    pub(crate) conv2: ConvLayer,
    dropout: f64,
}

impl ResnetBlock {
    pub(crate) fn new(
        channels: usize,
        norm: NormKind,
        dropout: f64,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let mut conv = || {
            ConvLayer::new(
                [channels, channels, 3],
                Resize::Keep,
                Some(norm),
                rng,
                device,
            )
        };
        Self {
            conv1: conv(),
            conv2: conv(),
            dropout,
        }
    }

    /// `index` tells this block's dropout from the others'.
    pub(crate) fn forward(&self, x: Tensor<4>, pass: Pass, index: u64) -> Tensor<4> {
        let train = pass.is_train();
        let y = self.conv1.forward(x.clone(), train, Activation::Relu);
        let y = pass.dropout(y, self.dropout, index);
        x + self.conv2.forward(y, train, Activation::None)
    }
}
