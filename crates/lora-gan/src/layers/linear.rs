//! A frozen linear layer with LoRA.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use super::init::normal;
use super::lora::{LoraPair, LoraSpec};
use crate::generator::Mode;

/// `y = x·(W + Δ)ᵀ + b`, `[.., in]` → `[.., out]`.
#[derive(Module, Debug)]
pub struct LinearUnit {
    /// Frozen `[out, in]` (PyTorch's layout).
    pub weight: Param<Tensor<2>>,
    /// Frozen `[out]`; attention projections have none.
    pub bias: Option<Param<Tensor<1>>>,
    /// The adapter's factors; none where the layer is not adapted.
    pub lora: Option<LoraPair>,
}

impl LinearUnit {
    pub(crate) fn new(
        [input, output]: [usize; 2],
        bias: bool,
        lora: Option<LoraSpec>,
        base_rng: &mut ChaCha8Rng,
        lora_rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let weight = normal(input * output, (1.0 / input as f32).sqrt(), base_rng);
        Self {
            weight: Param::from_tensor(Tensor::from_data(
                TensorData::new(weight, [output, input]),
                device,
            )),
            bias: bias.then(|| Param::from_tensor(Tensor::zeros([output], device))),
            lora: lora.map(|spec| LoraPair::new(input, output, spec, lora_rng, device)),
        }
    }

    pub(crate) fn merged_weight(&self) -> Tensor<2> {
        let weight = self.weight.val();
        match &self.lora {
            None => weight,
            Some(lora) => weight + lora.delta(),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>, mode: Mode) -> Tensor<3> {
        let weight = match mode {
            Mode::PretrainBase => self.weight.val(),
            Mode::Adapted => self.merged_weight(),
        };
        let y = x.matmul(weight.transpose().unsqueeze());
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }
}
