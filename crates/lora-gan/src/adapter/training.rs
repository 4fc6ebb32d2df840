//! Which parameters train, and the adapter's gradients.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Gradients, Tensor};
use weight_blocks::module::gradients_to_named;
use weight_blocks::{HostTensor, NamedTensors, WeightSpace};

use super::layer::Layer;
use crate::generator::HybridGenerator;

impl HybridGenerator {
    /// Only the adapter (LoRA factors and the γ, β of the norms that follow) trains from here on; the base is
    /// frozen.
    pub fn train_adapter(self) -> Self {
        let trained = self.layers().into_iter().flat_map(Layer::trained).collect();
        self.map(&mut TrainOnly { trained })
    }

    /// Only the base trains from here on (pretraining); the LoRA factors rest.
    pub fn train_base(self) -> Self {
        let mut pairs = LoraIds::default();
        self.visit(&mut pairs);
        self.map(&mut Rest { resting: pairs.ids })
    }

    /// The adapter's part of a loss's gradient, by name, in the adapter's shapes; zero where the loss
    /// does not depend on a tensor. The generator must be one of [`HybridGenerator::train_adapter`].
    ///
    /// # Errors
    /// Where the device cannot give the values back.
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

struct TrainOnly {
    trained: HashSet<ParamId>,
}

impl ModuleMapper for TrainOnly {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = self.trained.contains(&param.id);
        param.set_require_grad(trains)
    }
}

struct Rest {
    resting: HashSet<ParamId>,
}

impl ModuleMapper for Rest {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = !self.resting.contains(&param.id);
        param.set_require_grad(trains)
    }
}

#[derive(Default)]
struct LoraIds {
    inside: usize,
    ids: HashSet<ParamId>,
}

impl burn::module::ModuleVisitor for LoraIds {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.inside += usize::from(name == "lora");
    }

    fn exit_module(&mut self, name: &str, _container: &str) {
        self.inside -= usize::from(name == "lora");
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.inside > 0 {
            self.ids.insert(param.id);
        }
    }
}
