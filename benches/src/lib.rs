//! What the benches share, and the Rust side of the comparison with PyTorch ([`side_by_side`]).

pub mod random;
pub mod side_by_side;

use burn::tensor::Device;
use lora_gan::{GeneratorConfig, HybridGenerator};
use weight_blocks::{GroupingRule, Layout, WeightSpace};

/// The allocator of the example programs.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Block size b (the paper's).
pub const BLOCK_SIZE: usize = 256;

/// Whatever went wrong.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The compact base, untrained.
///
/// # Errors
/// None for the preset as it stands.
pub fn compact_base(device: &Device) -> Result<HybridGenerator> {
    Ok(HybridGenerator::new(
        &GeneratorConfig::compact(),
        0,
        device,
    )?)
}

/// The adapter of `base` in blocks of 256.
///
/// # Errors
/// None for the presets as they stand.
pub fn layout_of(base: &HybridGenerator) -> Result<Layout> {
    let rule = GroupingRule::Appended;
    Ok(Layout::new("bench", base.layer_groups(), rule, BLOCK_SIZE)?)
}
