//! The layers of a generator with their adapters.

use burn::module::ParamId;
use weight_blocks::{LayerGroup, TensorRole, TensorSpec};

use crate::generator::{HybridGenerator, LAYERS, LayerShape, LayerSpec};
use crate::layers::LoraPair;

/// One layer of a generator.
pub(crate) struct Layer<'a> {
    pub(crate) spec: &'static LayerSpec,
    pub(crate) shape: LayerShape,
    /// `None` if the layer is frozen whole.
    pub(crate) lora: Option<&'a LoraPair>,
}

impl HybridGenerator {
    /// Its layers, in the order of the forward pass.
    pub(crate) fn layers(&self) -> impl Iterator<Item = Layer<'_>> {
        LAYERS.iter().map(|spec| Layer {
            spec,
            shape: spec.shape(self.config()),
            lora: spec.unit(self).lora(),
        })
    }
}

impl Layer<'_> {
    /// Identities of the LoRA factors.
    pub(super) fn factor_ids(&self) -> Vec<ParamId> {
        (self.lora).map_or_else(Vec::new, |pair| vec![pair.down.id, pair.up.id])
    }

    /// Shapes of `down` and `up`, as PEFT has them.
    pub(crate) fn factors(&self) -> Option<[Vec<usize>; 2]> {
        let [rank, _] = self.lora?.down.dims();
        let LayerShape {
            input,
            output,
            kernel,
            ..
        } = self.shape;
        Some(if self.spec.is_conv() {
            [vec![rank, input, kernel, kernel], vec![output, rank, 1, 1]]
        } else {
            [vec![rank, input], vec![output, rank]]
        })
    }

    /// Rule 1's order: `down`, `up`, the norms that follow; `None` for a layer that is frozen whole.
    pub(super) fn group(&self) -> Option<LayerGroup> {
        let [down, up] = self.factors()?;
        let name = self.spec.name;
        let spec = |name: String, shape: Vec<usize>, role| TensorSpec { name, shape, role };
        let mut tensors = vec![
            spec(format!("{name}.lora_A.weight"), down, TensorRole::Down),
            spec(format!("{name}.lora_B.weight"), up, TensorRole::Up),
        ];
        for norm in self.spec.norms() {
            let wide = || vec![self.shape.output];
            tensors.extend([
                spec(format!("{norm}.weight"), wide(), TensorRole::NormWeight),
                spec(format!("{norm}.bias"), wide(), TensorRole::NormBias),
            ]);
        }
        Some(LayerGroup {
            name: name.to_owned(),
            kind: self.spec.kind,
            tensors,
        })
    }
}
