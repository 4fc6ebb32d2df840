//! The generator's configuration and its presets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, check_field};
use crate::layers::LoraConfig;

/// Limits on what a configuration from a file can make this process allocate or count.
const LARGEST_IMAGE: usize = 16_384;
const LARGEST_WIDTH: usize = 2048;
const LARGEST_CONTEXT: usize = 8192;
/// Reflection needs less padding than the smallest image has pixels.
const LARGEST_KERNEL: usize = 31;

/// The noise z of Eq. 4, drawn under [`Pass::Train`](crate::Pass::Train).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NoiseInput {
    /// One edit per photo.
    #[default]
    None,
    /// Dropout between the two convolutions of each ResBlock, as pix2pix does; its `p` is 0.5.
    Dropout {
        /// Share of the values that are dropped, below 1.
        p: f64,
    },
    /// A fourth input channel of N(0, 1); zero in a deterministic pass.
    Channel,
}

impl NoiseInput {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Shape of a [`HybridGenerator`](crate::HybridGenerator).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorConfig {
    /// Edge of the square images, in pixels; a multiple of 8 from 16 to 16,384.
    pub image_size: usize,
    /// Channels after the stem and after each of the two downsamplings.
    pub widths: [usize; 3],
    /// Kernel of the stem and the head; odd. The papers' is 7; 3 costs a fifth of it at 64×64, where
    /// these two layers would be two fifths of a training step.
    pub edge_kernel: usize,
    /// Kernel of the transposed convolutions, 3 or 4. The papers' drawing gives 3; 4 covers every
    /// output pixel equally often at stride 2 (Odena et al., 2016), but may still learn a checkerboard.
    pub up_kernel: usize,
    /// A flat input of a transposed convolution gives a flat output (away from the border), whatever its weights: its kernel
    /// and the adapters' `down` factor are projected to taps whose four output phases have equal sums. Otherwise a layer may
    /// learn a grid, which shows in flat areas. Files of bases and adapters may hold the values before the projection, and
    /// then only networks with this setting compute the same; exported networks hold those after it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub balanced_up: bool,
    /// Attention heads; divides `widths[2]`.
    pub heads: usize,
    /// Width of the text tokens that the cross-attention reads.
    pub context_width: usize,
    /// Number of learned tokens that stand for "no text" (one concept per adapter). They stand in for
    /// the text encoder's output and not for a layer, so the network's count leaves them out. If there are
    /// none, a zero token is read, of which the cross-attention passes on its output bias only.
    pub null_tokens: usize,
    /// Adds the input of the downsample–transformer–upsample stage to its output. If that
    /// stage is small (8×8 in `compact`), it cannot carry the photo alone.
    pub bottleneck_skip: bool,
    /// Reflection padding in the 7×7 layers (pix2pix), zero padding otherwise.
    pub reflect_padding: bool,
    /// The noise z.
    #[serde(default, skip_serializing_if = "NoiseInput::is_none")]
    pub noise: NoiseInput,
    /// LoRA of the layers.
    pub lora: LoraConfig,
    /// Seed of the initial LoRA factors. One seed for all concepts: weights that start at the
    /// same point stay comparable, which is what a weight generator learns from.
    pub lora_seed: u64,
}

impl GeneratorConfig {
    /// 256×256, widths 64-128-256, 768-wide tokens: 7,059,971 frozen weights, and beside them four
    /// null tokens (paper §4).
    ///
    /// One rank for all layers, 6 (3 in the head, which has three channels): factors, and γ and β of the
    /// norms, come to 227,259 values, 0.7 % above the paper's 0.2256 M. Rank 5 would be 14 % below.
    pub fn paper() -> Self {
        Self {
            image_size: 256,
            widths: [64, 128, 256],
            edge_kernel: 7,
            up_kernel: 3,
            balanced_up: false,
            heads: 8,
            context_width: 768,
            null_tokens: 4,
            bottleneck_skip: false,
            reflect_padding: true,
            noise: NoiseInput::None,
            lora: LoraConfig::rank(6),
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
            balanced_up: false,
            heads: 4,
            context_width: 128,
            null_tokens: 4,
            bottleneck_skip: true,
            reflect_padding: false,
            noise: NoiseInput::None,
            lora: LoraConfig {
                alpha: Some(2.0),
                ..LoraConfig::rank(2)
            },
            lora_seed: 0,
        }
    }

    /// 256×256 on a few CPU cores: the layers of `compact` at four times the size. The training of a base or a weight
    /// generator can therefore start from one of the other preset. At this size, styles have coarser patterns than the
    /// grid that transposed convolutions can learn, so the grid is only an artefact, which `balanced_up` prevents.
    pub fn photo() -> Self {
        Self {
            image_size: 256,
            balanced_up: true,
            ..Self::compact()
        }
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// Returns [`Error::Config`], which names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |ok: bool, field: &'static str, value: &dyn fmt::Debug, expected: String| {
            if ok {
                return Ok(());
            }
            let value = format!("{value:?}");
            Err(Error::Config {
                field,
                value,
                expected,
            })
        };
        check(
            (16..=LARGEST_IMAGE).contains(&self.image_size) && self.image_size.is_multiple_of(8),
            "image_size",
            &self.image_size,
            format!("a multiple of 8 from 16 to {LARGEST_IMAGE}"),
        )?;
        check(
            self.widths.iter().all(|w| (1..=LARGEST_WIDTH).contains(w)),
            "widths",
            &self.widths,
            format!("1 to {LARGEST_WIDTH} for each"),
        )?;
        check(
            !self.edge_kernel.is_multiple_of(2) && self.edge_kernel <= LARGEST_KERNEL,
            "edge_kernel",
            &self.edge_kernel,
            format!("an odd number of at most {LARGEST_KERNEL}"),
        )?;
        check_field("up_kernel", self.up_kernel, 3..=4, "3 or 4")?;
        check(
            self.heads > 0 && self.widths[2].is_multiple_of(self.heads),
            "heads",
            &self.heads,
            format!("a divisor of widths[2], {}", self.widths[2]),
        )?;
        let (width, nulls) = (self.context_width, self.null_tokens);
        let most = format!("1 to {LARGEST_CONTEXT}");
        check_field("context_width", width, 1..=LARGEST_CONTEXT, &most)?;
        let most = format!("at most {LARGEST_CONTEXT}");
        check_field("null_tokens", nulls, ..=LARGEST_CONTEXT, &most)?;
        if let NoiseInput::Dropout { p } = self.noise {
            check_field("noise", p, 0.0..1.0, "a dropout of at least 0 and below 1")?;
        }
        self.lora.validate()
    }
}
