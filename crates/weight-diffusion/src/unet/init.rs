//! Seeded initial values, drawn on the host so that every device starts from the same network.

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) struct Init<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
}

impl<'a> Init<'a> {
    pub(super) fn new(seed: u64, device: &'a Device) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            device,
        }
    }

    /// Uniform in ±`bound`.
    pub(super) fn uniform<const D: usize>(
        &mut self,
        shape: [usize; D],
        bound: f64,
    ) -> Param<Tensor<D>> {
        let bound = bound as f32;
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| (self.rng.random::<f32>() * 2.0 - 1.0) * bound)
            .collect();
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    pub(super) fn constant<const D: usize>(
        &self,
        shape: [usize; D],
        value: f32,
    ) -> Param<Tensor<D>> {
        let values = vec![value; shape.iter().product()];
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// A linear layer with PyTorch's default initial values: uniform in ±1/√inputs.
    pub(super) fn linear(&mut self, inputs: usize, outputs: usize) -> Linear {
        let bound = 1.0 / (inputs as f64).sqrt();
        Linear {
            weight: self.uniform([inputs, outputs], bound),
            bias: Some(self.uniform([outputs], bound)),
        }
    }

    pub(super) fn linear_no_bias(&mut self, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: self.uniform([inputs, outputs], 1.0 / (inputs as f64).sqrt()),
            bias: None,
        }
    }

    pub(super) fn zero_linear(&self, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: self.constant([inputs, outputs], 0.0),
            bias: Some(self.constant([outputs], 0.0)),
        }
    }

    pub(super) fn layer_norm(&self, width: usize) -> LayerNorm {
        let mut norm = LayerNormConfig::new(width).init(self.device);
        norm.gamma = self.constant([width], 1.0);
        norm.beta = Some(self.constant([width], 0.0));
        norm
    }
}
