//! What the benches share: the compact preset's layout.

use burn::tensor::Device;
use lora_gan::{GeneratorConfig, HybridGenerator};
use weight_blocks::{GroupingRule, Layout, WeightSpace};

/// The compact base, untrained.
///
/// # Errors
/// None for the preset as it stands.
pub fn compact_base(device: &Device) -> Result<HybridGenerator, lora_gan::Error> {
    HybridGenerator::new(&GeneratorConfig::compact(), 0, device)
}

/// Its adapter in blocks of 256.
///
/// # Errors
/// None for the preset as it stands.
pub fn compact_layout(base: &HybridGenerator) -> Result<Layout, weight_blocks::Error> {
    Layout::new("compact", base.layer_groups(), GroupingRule::Appended, 256)
}
