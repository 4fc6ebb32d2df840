//! The UNet's shape.

use serde::{Deserialize, Serialize};

use super::dictionary::DictionarySize;
use crate::{Error, NoiseSchedule, Parameterization};

/// Largest size; a corrupt file cannot make anyone allocate much more.
const MAX_SIZE: usize = 1 << 16;
/// Largest of the levels' multipliers.
const MAX_MULTIPLIER: usize = 64;
/// Most values of a weight tensor.
const MAX_VALUES: usize = 1 << 32;

/// Shape of [`UNet1d`](crate::UNet1d).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNet1dConfig {
    /// Block size b.
    pub block_size: usize,
    /// Weights per position: the stem is a convolution of this kernel and stride. 1 gives a
    /// position to every weight, as the paper's figure does.
    pub patch_size: usize,
    /// Width of the first level.
    pub base_channels: usize,
    /// Widths of the three levels, in multiples of `base_channels`.
    pub multipliers: [usize; 3],
    /// Whether the positions are halved from level to level.
    pub downsample: bool,
    /// Attention heads.
    pub heads: usize,
    /// Inner width of the gated feed-forward, in multiples of the level's width.
    pub ff_multiplier: usize,
    /// Groups of the group norms.
    pub norm_groups: usize,
    /// Size of the sinusoidal encodings of t and n (Eq. 2's d).
    pub encoding_size: usize,
    /// Width of emb = emb_n + emb_t.
    pub embedding_size: usize,
    /// Width C of the text tokens.
    pub context_width: usize,
    /// A table per block that the text mixes, added to the output; none as in the paper.
    pub dictionary: Option<DictionarySize>,
    /// What the output stands for.
    pub parameterization: Parameterization,
    /// The noise schedule.
    pub schedule: NoiseSchedule,
}

impl UNet1dConfig {
    /// Block 256 with one position per weight, ε-prediction, DDPM's schedule, 768-wide text
    /// tokens (CLIP ViT-L/14, as E²GAN). The paper gives the drawing and the block size; widths
    /// (128, 256, 512), 8 heads and the schedule are this crate's choice.
    pub fn paper() -> Self {
        Self {
            block_size: 256,
            patch_size: 1,
            base_channels: 128,
            multipliers: [1, 2, 4],
            downsample: true,
            heads: 8,
            ff_multiplier: 4,
            norm_groups: 32,
            encoding_size: 128,
            embedding_size: 512,
            context_width: 768,
            dictionary: None,
            parameterization: Parameterization::Epsilon,
            schedule: NoiseSchedule::ddpm(),
        }
    }

    /// For CPUs: block 256 as 16 positions of 16 weights, 128 channels throughout, 16 → 8 → 4
    /// positions, [`Parameterization::Skip`], 128-wide text tokens.
    pub fn compact() -> Self {
        Self {
            block_size: 256,
            patch_size: 16,
            base_channels: 128,
            multipliers: [1, 1, 1],
            downsample: true,
            heads: 4,
            ff_multiplier: 2,
            norm_groups: 8,
            encoding_size: 64,
            embedding_size: 256,
            context_width: 128,
            dictionary: None,
            parameterization: Parameterization::Skip,
            schedule: NoiseSchedule::ddpm(),
        }
    }

    /// Positions of the first level, `block_size / patch_size`.
    pub fn positions(&self) -> usize {
        self.block_size / self.patch_size.max(1)
    }

    pub(super) fn widths(&self) -> [usize; 3] {
        self.multipliers.map(|m| m * self.base_channels)
    }

    /// Checks that the sizes fit together and are no larger than a network may be: sizes up to 2¹⁶,
    /// multipliers up to 64, 2³² values in a weight tensor.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        let positive = [
            ("block_size", self.block_size),
            ("patch_size", self.patch_size),
            ("base_channels", self.base_channels),
            ("heads", self.heads),
            ("ff_multiplier", self.ff_multiplier),
            ("norm_groups", self.norm_groups),
            ("encoding_size", self.encoding_size),
            ("embedding_size", self.embedding_size),
            ("context_width", self.context_width),
            ("multipliers", *self.multipliers.iter().min().unwrap_or(&0)),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(field, "must be at least 1"));
        }
        if let Some(size) = self.dictionary
            && (size.blocks == 0 || size.entries == 0)
        {
            return Err(Error::config(
                "dictionary",
                format!("{size:?} holds a zero"),
            ));
        }
        self.check_limits(&positive)?;
        let epsilon = self.parameterization == Parameterization::Epsilon;
        if epsilon && self.schedule.has_zero_terminal_snr() {
            return Err(Error::config(
                "parameterization",
                "epsilon cannot recover weights where no signal is left (zero terminal SNR); use skip, velocity or sample",
            ));
        }
        let multiple = |field, value: usize, of: usize| {
            if value.is_multiple_of(of) {
                return Ok(());
            }
            Err(Error::config(
                field,
                format!("{value} must be a multiple of {of}"),
            ))
        };
        multiple("block_size", self.block_size, self.patch_size)?;
        multiple("encoding_size", self.encoding_size, 2)?;
        if self.downsample {
            multiple("block_size / patch_size", self.positions(), 4)?;
        }
        for width in self.widths() {
            multiple("level width (heads)", width, self.heads)?;
            multiple("level width (norm_groups)", width, self.norm_groups)?;
        }
        // The up path's residual blocks take two levels' channels at once.
        let [a, b, c] = self.widths();
        for width in [2 * c, c + b, b + a] {
            multiple("joined width (norm_groups)", width, self.norm_groups)?;
        }
        Ok(())
    }

    /// Before anything is computed from the sizes, and long before it is allocated.
    fn check_limits(&self, sizes: &[(&'static str, usize)]) -> Result<(), Error> {
        if let Some((field, value)) = sizes.iter().find(|(_, value)| *value > MAX_SIZE) {
            let why = format!("{value} is more than {MAX_SIZE}");
            return Err(Error::config(field, why));
        }
        if let Some(value) = self.multipliers.iter().find(|m| **m > MAX_MULTIPLIER) {
            let why = format!("{value} is more than {MAX_MULTIPLIER}");
            return Err(Error::config("multipliers", why));
        }
        let values = |field, factors: &[usize]| {
            let product = factors.iter().try_fold(1usize, |p, f| p.checked_mul(*f));
            if product.is_some_and(|product| product <= MAX_VALUES) {
                return Ok(());
            }
            Err(Error::config(
                field,
                format!("a tensor of {factors:?} values is larger than {MAX_VALUES}"),
            ))
        };
        let widest = self.widths().into_iter().max().unwrap_or(0);
        // A convolution of three taps over two levels' channels, and the gated feed-forward.
        values("level width", &[3, 2 * widest, widest])?;
        values("ff_multiplier", &[2 * self.ff_multiplier, widest, widest])?;
        values("embedding_size", &[self.embedding_size, 2 * widest])?;
        values("context_width", &[self.context_width, widest])?;
        values("patch_size", &[self.positions(), widest])?;
        match self.dictionary {
            Some(size) => values("dictionary", &[size.blocks, size.entries, self.block_size]),
            None => Ok(()),
        }
    }
}
