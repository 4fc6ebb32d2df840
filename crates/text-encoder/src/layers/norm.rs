//! Layer normalisation.

use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor};

use crate::Error;
use crate::weights::Weights;

#[derive(Debug)]
pub(crate) struct Norm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
}

impl Norm {
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        width: usize,
        epsilon: f64,
        device: &Device,
    ) -> Result<Self, Error> {
        Ok(Self {
            gamma: weights.tensor(&format!("{name}.weight"), [width], device)?,
            beta: weights.tensor(&format!("{name}.bias"), [width], device)?,
            epsilon,
        })
    }

    /// `[N, width]` → `[N, width]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        layer_norm(x, self.gamma.clone(), Some(self.beta.clone()), self.epsilon)
    }
}
