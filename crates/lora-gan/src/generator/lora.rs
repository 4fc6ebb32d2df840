//! Changing the LoRA pairs of a generator.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::hybrid::HybridGenerator;
use super::layers::{LAYERS, in_draw_order};
use crate::error::Error;
use crate::layers::{LoraConfig, LoraLayer};

impl HybridGenerator {
    /// The same base with new LoRA: `down` drawn from `seed`, `up` zero. The base's tensors are shared, not copied.
    ///
    /// # Errors
    /// Returns [`Error::UnknownLayer`] or [`Error::RankTooLarge`] if the configuration does not fit the layers, and
    /// [`Error::Config`] if its numbers are impossible for any layer.
    pub fn with_lora(mut self, config: &LoraConfig, seed: u64) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layers = in_draw_order();
        let shapes: Vec<_> = (layers.iter())
            .map(|layer| layer.shape(self.config()))
            .collect();
        for (layer, spec) in layers.into_iter().zip(config.resolve(&shapes)?) {
            layer.unit_mut(&mut self).set_lora(spec, &mut rng);
        }
        let own = self.config_mut();
        own.lora = config.clone();
        own.lora_seed = seed;
        Ok(self)
    }

    /// The base alone, without LoRA pairs.
    pub(crate) fn without_lora(mut self) -> Self {
        self.for_each_unit(|unit| *unit.lora_mut() = None);
        self
    }

    /// Changes every layer.
    pub(crate) fn for_each_unit(&mut self, mut change: impl FnMut(&mut dyn LoraLayer)) {
        for layer in &LAYERS {
            change(layer.unit_mut(self));
        }
    }
}
