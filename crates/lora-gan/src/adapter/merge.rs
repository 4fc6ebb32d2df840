//! Merging an adapter into the base, and undoing it.

use crate::generator::HybridGenerator;

/// A generator whose adapter is merged into its weights, together with the unmerged one.
///
/// Subtracting the update again would leave rounding errors in the base; keeping the base is exact. It costs a
/// second copy of the adapted kernels (27 MB for `paper`, 2 MB for `compact`) as long as this value lives.
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
pub struct MergedGenerator {
    network: HybridGenerator,
    unmerged: HybridGenerator,
}

impl MergedGenerator {
    /// The network to run: it has no LoRA pairs.
    pub fn network(&self) -> &HybridGenerator {
        &self.network
    }

    /// Base and adapter as they were before merging, bit for bit.
    pub fn unmerge(self) -> HybridGenerator {
        self.unmerged
    }
}

impl HybridGenerator {
    /// The base with the adapter merged into its weights and without LoRA pairs: the same function, but the adapter costs
    /// nothing. It takes no further adapter, unless [`HybridGenerator::with_lora`] gives it new pairs.
    pub fn merge_adapter(mut self) -> Self {
        self.for_each_unit(|unit| unit.merge());
        self
    }

    /// [`HybridGenerator::merge_adapter`] that can be undone.
    pub fn merge(self) -> MergedGenerator {
        MergedGenerator {
            network: self.clone().merge_adapter(),
            unmerged: self,
        }
    }
}
