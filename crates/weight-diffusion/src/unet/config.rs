//! Shape of the UNet.

use serde::{Deserialize, Serialize};

use crate::{Error, NoiseSchedule, Parameterization};

/// Largest size; a damaged file cannot make anyone allocate much more.
const MAX_SIZE: usize = 1 << 16;
/// Largest multiplier of a level.
const MAX_MULTIPLIER: usize = 64;
/// Largest number of values in a weight tensor.
const MAX_VALUES: u64 = 1 << 32;

/// Shape of [`UNet1d`](crate::UNet1d).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNet1dConfig {
    /// Block size b.
    pub block_size: usize,
    /// Weights per position: the stem is a convolution with this kernel size and stride. With 1 every weight
    /// has its own position, as in the paper's figure.
    pub patch_size: usize,
    /// Width of the first level.
    pub base_channels: usize,
    /// Widths of the three levels, in multiples of `base_channels`.
    pub multipliers: [usize; 3],
    /// Whether the number of positions halves from level to level.
    pub downsample: bool,
    /// Number of attention heads.
    pub heads: usize,
    /// Inner width of the gated feed-forward layers, in multiples of the level's width.
    pub ff_multiplier: usize,
    /// Number of groups of the group norms.
    pub norm_groups: usize,
    /// Size of the sinusoidal encodings of t and n (Eq. 2's d).
    pub encoding_size: usize,
    /// Width of emb = emb_n + emb_t.
    pub embedding_size: usize,
    /// Width C of the text tokens.
    pub context_width: usize,
    /// Number of blocks N, if each block index has an output layer of its own beside the shared one; none in
    /// the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_heads: Option<usize>,
    /// What the output of the network stands for.
    pub parameterization: Parameterization,
    /// The noise schedule.
    pub schedule: NoiseSchedule,
}

impl UNet1dConfig {
    /// The paper's network: blocks of 256 with one position per weight, ε-prediction, DDPM's schedule, and
    /// 768-wide text tokens (CLIP ViT-L/14, as in E²GAN). The paper gives the drawing and the block size;
    /// the widths (128, 256, 512), 8 heads and the schedule are choices of this crate.
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
            block_heads: None,
            parameterization: Parameterization::Epsilon,
            schedule: NoiseSchedule::ddpm(),
        }
    }

    /// A network for CPUs: blocks of 256 as 16 positions of 16 weights, 128 channels throughout, 16 → 8 → 4
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
            block_heads: None,
            parameterization: Parameterization::Skip,
            schedule: NoiseSchedule::ddpm(),
        }
    }

    /// Number of positions of the first level, `block_size / patch_size`.
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
    /// Returns [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        self.check_limits()?;
        let epsilon = self.parameterization == Parameterization::Epsilon;
        if epsilon && self.schedule.has_zero_terminal_snr() {
            return Err(Error::config(
                "parameterization",
                "epsilon",
                "skip, velocity or sample with zero terminal SNR, where no signal is left to recover weights from",
            ));
        }
        multiple("block_size", self.block_size, self.patch_size)?;
        multiple("encoding_size", self.encoding_size, 2)?;
        if self.downsample {
            multiple("block_size / patch_size", self.positions(), 4)?;
        }
        for width in self.widths() {
            multiple("level width (heads)", width, self.heads)?;
            multiple("level width (norm_groups)", width, self.norm_groups)?;
        }
        // The residual blocks of the up path take the channels of two levels.
        let [a, b, c] = self.widths();
        for width in [2 * c, c + b, b + a] {
            multiple("joined width (norm_groups)", width, self.norm_groups)?;
        }
        Ok(())
    }

    /// Checks that there is an output layer for each of `blocks` blocks, if there are any; `whose` says who
    /// has that many.
    pub(crate) fn check_blocks(&self, blocks: usize, whose: &str) -> Result<(), Error> {
        match self.block_heads {
            Some(heads) if heads != blocks => {
                let requirement = format!("{whose} number of blocks, {blocks}");
                Err(Error::config("block_heads", heads, requirement))
            }
            _ => Ok(()),
        }
    }

    /// Checks each size alone, before anything is computed from the sizes or allocated for them.
    fn check_limits(&self) -> Result<(), Error> {
        for (field, value) in [
            ("block_size", self.block_size),
            ("patch_size", self.patch_size),
            ("base_channels", self.base_channels),
            ("heads", self.heads),
            ("ff_multiplier", self.ff_multiplier),
            ("norm_groups", self.norm_groups),
            ("encoding_size", self.encoding_size),
            ("embedding_size", self.embedding_size),
            ("context_width", self.context_width),
        ] {
            within(field, value, MAX_SIZE)?;
        }
        for multiplier in self.multipliers {
            within("multipliers", multiplier, MAX_MULTIPLIER)?;
        }
        let widest = self.widths().into_iter().max().unwrap_or(0);
        // A convolution with three taps over the channels of two levels, and the gated feed-forward.
        fits("level width", &[3, 2 * widest, widest])?;
        fits("ff_multiplier", &[2 * self.ff_multiplier, widest, widest])?;
        fits("embedding_size", &[self.embedding_size, 2 * widest])?;
        fits("context_width", &[self.context_width, widest])?;
        fits("patch_size", &[self.positions(), widest])?;
        if let Some(blocks) = self.block_heads {
            within("block_heads", blocks, usize::MAX)?;
            fits("block_heads", &[blocks, self.widths()[0], self.block_size])?;
        }
        Ok(())
    }
}

fn within(field: &'static str, value: usize, limit: usize) -> Result<(), Error> {
    if (1..=limit).contains(&value) {
        return Ok(());
    }
    let requirement = match value {
        0 => "at least 1".to_owned(),
        _ => format!("at most {limit}"),
    };
    Err(Error::config(field, value, requirement))
}

fn multiple(field: &'static str, value: usize, of: usize) -> Result<(), Error> {
    if value.is_multiple_of(of) {
        return Ok(());
    }
    Err(Error::config(field, value, format!("a multiple of {of}")))
}

/// Checks the number of values of a tensor with dimensions `factors`.
fn fits(field: &'static str, factors: &[usize]) -> Result<(), Error> {
    let product = (factors.iter()).try_fold(1u64, |p, &f| p.checked_mul(f as u64));
    if product.is_some_and(|product| product <= MAX_VALUES) {
        return Ok(());
    }
    let value = format!("a tensor of {factors:?} values");
    let requirement = format!("small enough for at most {MAX_VALUES} values in a tensor");
    Err(Error::config(field, value, requirement))
}
