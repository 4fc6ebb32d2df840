//! A frozen linear layer with LoRA.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::lora::{LoraLayer, LoraPair, LoraSpec};
use super::run::Run;
use crate::init::normal;

/// `y = x·(W + Δ)ᵀ + b`, `[.., in]` → `[.., out]`.
#[derive(Module, Debug)]
pub struct LinearUnit {
    /// Frozen `[out, in]` (PyTorch's layout).
    pub weight: Param<Tensor<2>>,
    /// Frozen `[out]`; attention projections have none.
    pub bias: Option<Param<Tensor<1>>>,
    /// The adapter's factors; `None` if the layer is not adapted.
    pub lora: Option<LoraPair>,
}

impl LinearUnit {
    /// A placeholder in a network that is still to be drawn.
    pub(crate) fn blank(device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([1; 2], device)),
            bias: None,
            lora: None,
        }
    }

    pub(crate) fn new(
        [input, output]: [usize; 2],
        bias: bool,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let weight = normal(input * output, (1.0 / input as f32).sqrt(), rng);
        Self {
            weight: Param::from_tensor(Tensor::from_data(
                TensorData::new(weight, [output, input]),
                device,
            )),
            bias: bias.then(|| Param::from_tensor(Tensor::zeros([output], device))),
            lora: None,
        }
    }

    fn merged_weight(&self) -> Tensor<2> {
        let weight = self.weight.val();
        match &self.lora {
            None => weight,
            Some(lora) => weight + lora.delta(),
        }
    }

    /// The weight as a factor from the right, `[in, out]`.
    pub(crate) fn factor(&self, run: &Run) -> Tensor<2> {
        let weight = if run.is_adapted() {
            self.merged_weight()
        } else {
            self.weight.val()
        };
        weight.transpose()
    }

    /// Whether training drops inputs of LoRA's `down`, which then needs a product of its own.
    pub(crate) fn has_dropout(&self) -> bool {
        self.lora.as_ref().is_some_and(|lora| lora.dropout > 0.0)
    }

    /// With `residual` added, of the output's shape.
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        residual: Option<Tensor<3>>,
        run: &mut Run,
    ) -> Tensor<3> {
        let bias = self.bias.as_ref().map(Param::val);
        let dropped = match &self.lora {
            Some(lora) if run.is_adapted() => run
                .drop_lora_input(&x, lora.dropout)
                .map(|dropped| (lora, dropped)),
            _ => None,
        };
        let Some((lora, dropped)) = dropped else {
            return fused_ops::linear(x, self.factor(run), bias, residual);
        };
        let y = fused_ops::linear(x, self.weight.val().transpose(), bias, residual);
        let inner = dropped.matmul(lora.down.val().transpose().unsqueeze());
        y + inner.matmul(lora.scaled_up().transpose().unsqueeze())
    }
}

impl LoraLayer for LinearUnit {
    fn lora(&self) -> Option<&LoraPair> {
        self.lora.as_ref()
    }

    fn lora_mut(&mut self) -> &mut Option<LoraPair> {
        &mut self.lora
    }

    fn set_lora(&mut self, spec: Option<LoraSpec>, rng: &mut ChaCha8Rng) {
        let [out, input] = self.weight.dims();
        let device = self.weight.val().device();
        self.lora = spec.map(|spec| LoraPair::new(input, out, spec, rng, &device));
    }

    fn merge(&mut self) {
        let merged = self.merged_weight();
        self.weight = self.weight.clone().map(|_| merged.detach());
        self.lora = None;
    }
}
