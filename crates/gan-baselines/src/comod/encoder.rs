//! The encoder: features of every size for the skips, and one vector for the modulation.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::config::CoModConfig;
use super::conv::EqualConv;
use super::dense::EqualLinear;
use lora_gan::Pass;

/// The dropout's stream: 0 is that of the latents drawn with the same seed, and the synthesis layers
/// count from 1.
const DROPOUT: u64 = u64::MAX;

/// One size of the [`Encoder`].
#[derive(Module, Debug)]
pub(crate) struct EncoderBlock {
    /// 3×3; its output is the skip of this size.
    pub(crate) conv0: EqualConv,
    /// 3×3, halves the size.
    pub(crate) conv1: EqualConv,
}

/// Photo `[B, 3, S, S]` → features of sizes S, S/2, …, 4 and a vector `[B, 2·nf(1)]`.
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    /// 1×1, photo → first width.
    pub(crate) from_rgb: EqualConv,
    /// From the largest size to 8×8.
    pub(crate) blocks: Vec<EncoderBlock>,
    /// 3×3 at 4×4.
    pub(crate) conv: EqualConv,
    /// The 4×4 features → the vector.
    pub(crate) dense: EqualLinear,
    dropout: f64,
}

impl Encoder {
    pub(crate) fn new(config: &CoModConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let nf = |stage| config.width(stage);
        let top = config.levels();
        Self {
            from_rgb: EqualConv::new([3, nf(top - 1), 1], rng, device),
            blocks: (3..=top)
                .rev()
                .map(|r| EncoderBlock {
                    conv0: EqualConv::new([nf(r - 1), nf(r - 1), 3], rng, device),
                    conv1: EqualConv::new([nf(r - 1), nf(r - 2), 3], rng, device).down(),
                })
                .collect(),
            conv: EqualConv::new([nf(1), nf(1), 3], rng, device),
            dense: EqualLinear::new([nf(1) * 16, config.global()], rng, device).with_activation(),
            dropout: config.dropout,
        }
    }

    /// Features from the largest to 4×4, and the vector.
    pub(crate) fn forward(&self, photo: Tensor<4>, pass: Pass) -> (Vec<Tensor<4>>, Tensor<2>) {
        let mut features = Vec::with_capacity(self.blocks.len() + 1);
        let mut x = self.from_rgb.forward(photo);
        for block in &self.blocks {
            let skip = block.conv0.forward(x);
            features.push(skip.clone());
            x = block.conv1.forward(skip);
        }
        let x = self.conv.forward(x);
        features.push(x.clone());
        let global = self.dense.forward(x.flatten(1, 3));
        (features, pass.dropout(global, self.dropout, DROPOUT))
    }
}
