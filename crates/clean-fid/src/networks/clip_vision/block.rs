//! One block of the transformer.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

/// Self-attention and a perceptron of two layers, each on the normalised input and added to it.
#[derive(Module, Debug)]
pub(super) struct Block {
    pub(super) norm1: LayerNorm,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) out: Linear,
    pub(super) norm2: LayerNorm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    #[module(skip)]
    pub(super) heads: usize,
}

impl Block {
    /// `[B, L, C]` to the same.
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, width] = x.dims();
        let y = self.norm1.forward(x.clone());
        let split = |layer: &Linear| {
            let part = layer.forward(y.clone());
            part.reshape([batch, length, self.heads, width / self.heads])
                .swap_dims(1, 2)
        };
        let options = AttentionModuleOptions::default();
        let (query, key, value) = (split(&self.query), split(&self.key), split(&self.value));
        let seen = attention(query, key, value, None, None, options);
        let seen = seen.swap_dims(1, 2).reshape([batch, length, width]);
        let x = x + self.out.forward(seen);
        let y = self.up.forward(self.norm2.forward(x.clone()));
        // OpenAI's approximation of GELU.
        let y = y.clone() * sigmoid(y * 1.702);
        x + self.down.forward(y)
    }
}
