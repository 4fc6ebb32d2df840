//! y = x W + b.

use burn::tensor::{Device, Tensor, TensorData};

use crate::Error;
use crate::weights::Weights;

/// A linear layer; several of a checkpoint can be joined into one.
#[derive(Debug)]
pub(crate) struct Linear {
    /// `[in, out]`, transposed from PyTorch's layout once.
    weight: Tensor<2>,
    bias: Option<Tensor<2>>,
}

impl Linear {
    /// Joins the layers `names`, each `ins` → `outs` with a bias, side by side: their outputs follow one another.
    pub(crate) fn load(
        weights: &Weights,
        names: &[String],
        [ins, outs]: [usize; 2],
        device: &Device,
    ) -> Result<Self, Error> {
        let total = names.len() * outs;
        let mut joined = Vec::with_capacity(names.len());
        let mut bias = Vec::with_capacity(names.len());
        for name in names {
            joined.extend(weights.values(&format!("{name}.weight"), &[outs, ins])?);
            bias.extend(weights.values(&format!("{name}.bias"), &[outs])?);
        }
        let bias = Tensor::from_data(TensorData::new(bias, [1, total]), device);
        Ok(Self {
            weight: transposed(&joined, [ins, total], device),
            bias: Some(bias),
        })
    }

    /// A layer without bias from PyTorch's `[outs, ins]` values.
    pub(crate) fn without_bias(values: &[f32], shape: [usize; 2], device: &Device) -> Self {
        Self {
            weight: transposed(values, shape, device),
            bias: None,
        }
    }

    /// Outputs of the layer.
    pub(crate) fn outs(&self) -> usize {
        self.weight.dims()[1]
    }

    /// `[N, in]` → `[N, out]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(self.weight.clone());
        match &self.bias {
            Some(bias) => y + bias.clone(),
            None => y,
        }
    }
}

/// `[outs, ins]` values as a tensor `[ins, outs]`.
fn transposed(values: &[f32], [ins, outs]: [usize; 2], device: &Device) -> Tensor<2> {
    let mut flipped = vec![0f32; values.len()];
    for (o, row) in values.chunks(ins.max(1)).enumerate() {
        for (i, &value) in row.iter().enumerate() {
            flipped[i * outs + o] = value;
        }
    }
    Tensor::from_data(TensorData::new(flipped, [ins, outs]), device)
}
