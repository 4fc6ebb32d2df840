//! BERT's encoder: a transformer with normalisation after each part.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::config::Config;
use crate::Error;
use crate::layers::{Activation, Linear, Mask, Norm, SelfAttention};
use crate::weights::Weights;

#[derive(Debug)]
pub(super) struct Network {
    words: Tensor<2>,
    /// Positions plus the type embedding of a first sentence: there never is a second.
    positions: Tensor<2>,
    norm: Norm,
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    attention: SelfAttention,
    norm1: Norm,
    up: Linear,
    activation: Activation,
    down: Linear,
    norm2: Norm,
}

impl Network {
    pub(super) fn load(weights: &Weights, config: &Config, device: &Device) -> Result<Self, Error> {
        let width = config.width;
        let norm = |name: &str| Norm::load(weights, name, width, config.epsilon, device);
        let table = |name: &str, rows: usize| {
            weights.tensor(&format!("embeddings.{name}.weight"), [rows, width], device)
        };
        let blocks = (0..config.blocks)
            .map(|i| {
                let name = |part: &str| format!("encoder.layer.{i}.{part}");
                let qkv = ["query", "key", "value"].map(|p| name(&format!("attention.self.{p}")));
                let out = name("attention.output.dense");
                let (up, down) = ([name("intermediate.dense")], [name("output.dense")]);
                Ok(Block {
                    attention: SelfAttention::load(weights, qkv, out, width, config.heads, device)?,
                    norm1: norm(&name("attention.output.LayerNorm"))?,
                    up: Linear::load(weights, &up, [width, config.inner], device)?,
                    activation: config.activation,
                    down: Linear::load(weights, &down, [config.inner, width], device)?,
                    norm2: norm(&name("output.LayerNorm"))?,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let types: Tensor<2> = table("token_type_embeddings", config.types)?;
        let first = types.slice([0..1]);
        Ok(Self {
            words: table("word_embeddings", config.vocabulary)?,
            positions: table("position_embeddings", config.positions)? + first,
            norm: norm("embeddings.LayerNorm")?,
            blocks,
        })
    }

    /// `ids` are rows of L for prompts of the given lengths; hidden states `[B · L, C]`, of no meaning at padding.
    pub(super) fn forward(&self, ids: Vec<i64>, lengths: &[usize]) -> Tensor<2> {
        let device = self.words.device();
        let b = lengths.len();
        let l = ids.len() / b.max(1);
        let width = self.words.dims()[1];
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [b * l]), &device);
        let x = self.words.clone().select(0, ids).reshape([b, l, width]);
        let positions = self.positions.clone().slice([0..l]).reshape([1, l, width]);
        let x = (x + positions).reshape([b * l, width]);
        let mask = padding(lengths, l, &device);
        let mut x = self.norm.forward(x);
        for block in &self.blocks {
            x = block.forward(x, [b, l], &mask);
        }
        x
    }
}

impl Block {
    fn forward(&self, x: Tensor<2>, shape: [usize; 2], mask: &Mask) -> Tensor<2> {
        let y = self.attention.forward(x.clone(), shape, mask);
        let x = self.norm1.forward(x + y);
        let y = self.activation.forward(self.up.forward(x.clone()));
        self.norm2.forward(x + self.down.forward(y))
    }
}

/// True at padding; no mask at all where there is none.
fn padding(lengths: &[usize], l: usize, device: &Device) -> Mask {
    if lengths.iter().all(|&length| length == l) {
        return Mask::default();
    }
    let rows = lengths.iter().flat_map(|&n| (0..l).map(move |j| j >= n));
    let data = TensorData::new(rows.collect::<Vec<bool>>(), [lengths.len(), 1, 1, l]);
    Mask {
        causal: false,
        padding: Some(Tensor::from_data(data, device)),
    }
}
