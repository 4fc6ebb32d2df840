//! Shape of Co-Mod-GAN's networks.

use serde::{Deserialize, Serialize};

use super::minibatch_std::fits;
use crate::error::{Error, check_field};

/// Shape of a [`CoModGenerator`](super::CoModGenerator) and a
/// [`CoModDiscriminator`](super::CoModDiscriminator).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoModConfig {
    /// Height and width of the images, a power of two of at least 8.
    pub image_size: usize,
    /// Width of the latent z.
    pub latent: usize,
    /// Width of w and of the mapping network's layers.
    pub style: usize,
    /// Layers of the mapping network.
    pub mapping_layers: usize,
    /// Channels at size 2^r are `width_base / 2^(r-1)`, from 1 to `width_max` (StyleGAN2's
    /// `fmap_base`).
    pub width_base: usize,
    /// The most channels of any layer (StyleGAN2's `fmap_max`).
    pub width_max: usize,
    /// Dropout on the encoder's vector.
    pub dropout: f64,
    /// Images per group of the minibatch deviation.
    pub minibatch_group: usize,
}

impl CoModConfig {
    /// The source's defaults at 256×256.
    pub fn paper() -> Self {
        Self {
            image_size: 256,
            latent: 512,
            style: 512,
            mapping_layers: 8,
            width_base: 16 << 10,
            width_max: 512,
            dropout: 0.5,
            minibatch_group: 4,
        }
    }

    /// For 64×64 images on a few CPU cores: 16 channels at full size and 64 at most.
    pub fn compact() -> Self {
        Self {
            image_size: 64,
            latent: 64,
            style: 64,
            mapping_layers: 4,
            width_base: 512,
            width_max: 64,
            ..Self::paper()
        }
    }

    /// Whether the discriminator takes a batch of this size: one smaller than `minibatch_group`, or a multiple
    /// of it.
    pub fn takes_batch(&self, batch: usize) -> bool {
        fits(batch, self.minibatch_group)
    }

    /// log₂ of the image's size.
    pub(crate) fn levels(&self) -> usize {
        self.image_size.ilog2() as usize
    }

    /// Channels by StyleGAN2's `nf(stage)`; features of size 2^r have `width(r - 1)`.
    pub(crate) fn width(&self, stage: usize) -> usize {
        (self.width_base >> stage).clamp(1, self.width_max)
    }

    /// Width of the encoder's vector: `nf(1) * 2`.
    pub(crate) fn global(&self) -> usize {
        2 * self.width(1)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let size = self.image_size;
        if !size.is_power_of_two() || !(8..=1024).contains(&size) {
            return Err(Error::Config {
                field: "image_size",
                value: size.to_string(),
                expected: "a power of two from 8 to 1024",
            });
        }
        check_field("latent", self.latent, 1..=4096, "1 to 4096")?;
        check_field("style", self.style, 1..=4096, "1 to 4096")?;
        check_field("mapping_layers", self.mapping_layers, 1..=64, "1 to 64")?;
        check_field("width_base", self.width_base, 1..=1 << 20, "1 to 1048576")?;
        check_field("width_max", self.width_max, 1..=4096, "1 to 4096")?;
        let group = self.minibatch_group;
        check_field("minibatch_group", group, 1..=1 << 20, "1 to 1048576")?;
        check_field("dropout", self.dropout, 0.0..1.0, "at least 0 and below 1")
    }
}
