//! Folding an adapter into the base, and taking it out again.

use crate::generator::HybridGenerator;

/// A generator whose adapter is folded into its weights, beside the one it came from.
///
/// Subtracting an update again would leave rounding in the base; keeping the base is exact. The
/// price is a second copy of the adapted kernels (27 MB for `paper`, 2 MB for `compact`) as long
/// as this value lives.
///
/// ```
/// use burn::tensor::Device;
/// use lora_gan::{GeneratorConfig, HybridGenerator};
///
/// let generator = HybridGenerator::new(&GeneratorConfig::compact(), 0, &Device::flex())?;
/// let merged = generator.merge();
/// assert_eq!(merged.network().config().image_size, 64);
/// let generator = merged.unmerge();
/// # Ok::<(), lora_gan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Merged {
    network: HybridGenerator,
    unmerged: HybridGenerator,
}

impl Merged {
    /// The network to run: no LoRA left to compute.
    pub fn network(&self) -> &HybridGenerator {
        &self.network
    }

    /// Base and adapter apart, as they were before merging, to the bit.
    pub fn unmerge(self) -> HybridGenerator {
        self.unmerged
    }
}

impl HybridGenerator {
    /// The base with the adapter merged into its weights, and the LoRA `up` factors zero: the same
    /// function at no cost of its own.
    pub fn merge_adapter(mut self) -> Self {
        for (_, unit) in &mut self.units_mut() {
            unit.merge();
        }
        self
    }

    /// [`HybridGenerator::merge_adapter`] that can be undone.
    pub fn merge(self) -> Merged {
        Merged {
            network: self.clone().merge_adapter(),
            unmerged: self,
        }
    }
}
