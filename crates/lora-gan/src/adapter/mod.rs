//! The adapter of one concept: every adapted layer's LoRA factors and the norm that follows.

mod layer;
mod merge;
mod set;
mod training;

pub use merge::MergedGenerator;
pub use set::AdapterSet;

pub(crate) use layer::Layer;

use weight_blocks::{
    HostTensor, LayerGroup, NamedTensors, WeightSpace, load_named, module_to_named,
};

use crate::generator::HybridGenerator;

/// The first NaN or infinite value: its tensor, its position in row-major order, and itself.
pub(crate) fn first_non_finite(weights: &NamedTensors) -> Option<(&str, usize, f32)> {
    weights.iter().find_map(|(name, tensor)| {
        let index = tensor.data.iter().position(|value| !value.is_finite())?;
        Some((name.as_str(), index, tensor.data[index]))
    })
}

impl WeightSpace for HybridGenerator {
    fn layer_groups(&self) -> Vec<LayerGroup> {
        self.layers().filter_map(|layer| layer.group()).collect()
    }

    fn read_weights(&self) -> Result<NamedTensors, weight_blocks::Error> {
        let mut all = module_to_named(self)?;
        let mut adapter = NamedTensors::new();
        for spec in self.layer_groups().into_iter().flat_map(|g| g.tensors) {
            if let Some(HostTensor { data, .. }) = all.remove(&spec.name) {
                adapter.insert(spec.name, HostTensor::new(spec.shape, data)?);
            }
        }
        Ok(adapter)
    }

    fn load_weights(&mut self, weights: &NamedTensors) -> Result<(), weight_blocks::Error> {
        weight_blocks::check_tensors(&self.layer_groups(), weights)?;
        *self = load_named(self.clone(), weights)?;
        Ok(())
    }
}
