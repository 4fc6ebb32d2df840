//! The generator's configuration and its presets.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::layers::LoraSpec;

/// Shape of a [`HybridGenerator`](crate::HybridGenerator).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratorConfig {
    /// Edge of the square images, in pixels; a multiple of 8.
    pub image_size: usize,
    /// Channels after the stem and after each of the two downsamplings.
    pub widths: [usize; 3],
    /// Kernel of the stem and the head; odd. The papers' is 7; 3 costs a fifth of it at 64×64, where
    /// these two layers would be two fifths of a training step.
    pub edge_kernel: usize,
    /// Kernel of the transposed convolutions, 3 or 4. The papers' drawing gives 3; 4 covers every
    /// output pixel equally often at stride 2, which leaves no checkerboard (Odena et al., 2016).
    pub up_kernel: usize,
    /// Attention heads; divides `widths[2]`.
    pub heads: usize,
    /// Width of the text tokens that the cross-attention reads.
    pub context_width: usize,
    /// Number of learned tokens that stand for "no text" (one concept per adapter).
    pub null_tokens: usize,
    /// Adds the input of the downsample–transformer–upsample stage to its output. Where that
    /// stage is small (8×8 in `compact`) it alone cannot carry the photo.
    pub bottleneck_skip: bool,
    /// Reflection padding in the 7×7 layers (pix2pix), zero padding otherwise.
    pub reflect_padding: bool,
    /// LoRA of every layer.
    pub lora: LoraSpec,
    /// Seed of the initial LoRA factors. One seed for all concepts: weights that start at the
    /// same point stay comparable, which is what a weight generator learns from.
    pub lora_seed: u64,
}

impl GeneratorConfig {
    /// 256×256, widths 64-128-256, 768-wide tokens: 7.06 M frozen weights (paper §4).
    pub fn paper() -> Self {
        Self {
            image_size: 256,
            widths: [64, 128, 256],
            edge_kernel: 7,
            up_kernel: 3,
            heads: 8,
            context_width: 768,
            null_tokens: 0,
            bottleneck_skip: false,
            reflect_padding: true,
            lora: LoraSpec::rank(4),
            lora_seed: 0,
        }
    }

    /// 64×64, sized so that one concept trains in well under a minute on two CPU cores.
    pub fn compact() -> Self {
        Self {
            image_size: 64,
            widths: [16, 32, 64],
            edge_kernel: 3,
            up_kernel: 4,
            heads: 4,
            context_width: 128,
            null_tokens: 4,
            bottleneck_skip: true,
            reflect_padding: false,
            lora: LoraSpec::rank(2),
            lora_seed: 0,
        }
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        let fail = |field: &'static str, why: String| Err(Error::Config { field, why });
        if self.image_size < 16 || !self.image_size.is_multiple_of(8) {
            return fail(
                "image_size",
                format!("{} is not a multiple of 8 of at least 16", self.image_size),
            );
        }
        if self.widths.contains(&0) {
            return fail("widths", format!("{:?} holds a zero", self.widths));
        }
        if self.edge_kernel.is_multiple_of(2) {
            return fail("edge_kernel", format!("{} is not odd", self.edge_kernel));
        }
        if !(3..=4).contains(&self.up_kernel) {
            return fail("up_kernel", format!("{} is not 3 or 4", self.up_kernel));
        }
        if self.heads == 0 || !self.widths[2].is_multiple_of(self.heads) {
            return fail(
                "heads",
                format!("{} does not divide {}", self.heads, self.widths[2]),
            );
        }
        if self.context_width == 0 {
            return fail("context_width", "is zero".into());
        }
        if self.lora.rank == 0 || !self.lora.alpha.is_finite() {
            return fail(
                "lora",
                format!("{:?} needs a rank of at least 1", self.lora),
            );
        }
        Ok(())
    }
}
