//! How well adapters edit some of the training pairs, by forward passes alone.

use burn::tensor::Tensor;
use finetune::{PairSet, translate};
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;

use crate::error::Result;
use crate::weights::adapt;

/// The pairs on which adapters of one prompt are judged.
pub(super) struct Judge {
    base: BaseGenerator,
    pairs: PairSet,
}

impl Judge {
    /// Takes `count` of the pairs, spread evenly, or all if there are fewer. `base` is the one for the prompt.
    pub(super) fn new(base: &BaseGenerator, pairs: &PairSet, count: usize) -> Self {
        let count = count.clamp(1, pairs.len().max(1));
        let picked: Vec<usize> = (0..count).map(|i| i * pairs.len() / count).collect();
        Self {
            base: base.clone(),
            pairs: pairs.select(&picked),
        }
    }

    /// Mean absolute difference between the edits and the targets, in units of the −1..1 range.
    pub(super) fn l1(&self, adapter: &NamedTensors) -> Result<f64> {
        let network = adapt(&self.base, adapter)?.merge_adapter();
        let edited: Tensor<4> = translate(&network, &self.pairs.photos)?;
        let apart = (edited - self.pairs.targets.clone()).abs().mean();
        Ok(f64::from(apart.into_scalar::<f32>()))
    }

    /// The index of the adapter with the lowest L1, and all values.
    pub(super) fn best<'w>(
        &self,
        adapters: impl IntoIterator<Item = &'w NamedTensors>,
    ) -> Result<(usize, Vec<f64>)> {
        let values = adapters
            .into_iter()
            .map(|adapter| self.l1(adapter))
            .collect::<Result<Vec<_>>>()?;
        let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b]));
        Ok((best.unwrap_or(0), values))
    }
}
