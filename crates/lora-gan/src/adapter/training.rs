//! Which parameters train, and the adapter's gradients.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Gradients, Tensor};
use weight_blocks::module::gradients_to_named;
use weight_blocks::{HostTensor, NamedTensors, WeightSpace};

use crate::generator::HybridGenerator;

impl HybridGenerator {
    /// The same generator, of which only the adapter trains: LoRA factors, and γ and β of the norms that follow
    /// adapted layers. The rest of the base is frozen.
    pub fn train_adapter(self) -> Self {
        let adapter: HashSet<ParamId> = (self.layers())
            .filter(|layer| layer.lora.is_some())
            .flat_map(|layer| [layer.factor_ids(), layer.spec.norm_ids(&self)].concat())
            .collect();
        self.map(&mut Trained(|id| adapter.contains(&id)))
    }

    /// The same generator, of which only the base trains, as in pretraining. The LoRA factors are frozen.
    pub fn train_base(self) -> Self {
        let factors: HashSet<ParamId> =
            self.layers().flat_map(|layer| layer.factor_ids()).collect();
        self.map(&mut Trained(|id| !factors.contains(&id)))
    }

    /// The adapter's part of a loss's gradient, by name, in the adapter's shapes; zero for tensors that the loss does
    /// not depend on. The generator must be one of [`HybridGenerator::train_adapter`].
    ///
    /// # Errors
    /// Returns [`weight_blocks::Error::Device`] if the device cannot give the values back.
    pub fn adapter_gradients(
        &self,
        gradients: &mut Gradients,
    ) -> Result<NamedTensors, weight_blocks::Error> {
        let mut all = gradients_to_named(self, gradients)?;
        (self.layer_groups().into_iter())
            .flat_map(|group| group.tensors)
            .map(|spec| {
                let data = match all.remove(&spec.name) {
                    Some(tensor) => tensor.data,
                    None => vec![0.0; spec.shape.iter().product()],
                };
                Ok((spec.name, HostTensor::new(spec.shape, data)?))
            })
            .collect()
    }
}

/// Lets exactly those parameters train that the function names.
struct Trained<F>(F);

impl<F: Fn(ParamId) -> bool> ModuleMapper for Trained<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = self.0(param.id);
        param.set_require_grad(trains)
    }
}
