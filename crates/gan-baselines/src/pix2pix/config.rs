//! Shape of the ResNet generator.

use serde::{Deserialize, Serialize};

use crate::error::{Error, check_field};
use lora_gan::NormKind;

/// Shape of a [`ResnetGenerator`](super::ResnetGenerator): the original's `--ngf`, `--netG
/// resnet_9blocks`, `--norm` and `--no_dropout`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResnetConfig {
    /// Channels after the 7×7 stem; twice and four times that further in.
    pub width: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// The norm after every convolution but the last.
    pub norm: NormKind,
    /// Probability of dropout inside each block: 0.5 in pix2pix, 0 for none.
    pub dropout: f64,
    /// Channels of the images, in and out.
    pub channels: usize,
}

impl ResnetConfig {
    /// `resnet_9blocks` with pix2pix's defaults: 64 channels, batch norm, dropout 0.5.
    pub fn paper() -> Self {
        Self {
            width: 64,
            blocks: 9,
            norm: NormKind::Batch,
            dropout: 0.5,
            channels: 3,
        }
    }

    /// For 64×64 images on a few CPU cores: 16 channels, 4 blocks, instance norm, no dropout.
    pub fn compact() -> Self {
        Self {
            width: 16,
            blocks: 4,
            norm: NormKind::Instance,
            dropout: 0.0,
            channels: 3,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        check_field("width", self.width, 1..=4096, "1 to 4096")?;
        check_field("blocks", self.blocks, 1..=256, "1 to 256")?;
        check_field("channels", self.channels, 1..=64, "1 to 64")?;
        check_field("dropout", self.dropout, 0.0..1.0, "at least 0 and below 1")
    }
}
