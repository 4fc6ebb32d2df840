//! CLIP's text tower: a causal transformer with normalisation before each part.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::config::Config;
use super::{ClipLayer, Projection};
use crate::Error;
use crate::layers::{Activation, Linear, Mask, Norm, SelfAttention};
use crate::weights::Weights;

const PROJECTION: &str = "text_projection.weight";

#[derive(Debug)]
pub(super) struct Tower {
    tokens: Tensor<2>,
    positions: Tensor<2>,
    blocks: Vec<Block>,
    norm: Norm,
    projection: Option<Linear>,
}

#[derive(Debug)]
struct Block {
    norm1: Norm,
    attention: SelfAttention,
    norm2: Norm,
    up: Linear,
    activation: Activation,
    down: Linear,
}

/// What the tower makes of B prompts padded to L tokens.
pub(super) struct Output {
    /// `[B · L, C]`, of the layer asked for; padding is not zero.
    pub(super) tokens: Tensor<2>,
    /// `[B, P]`, not normalised.
    pub(super) pooled: Tensor<2>,
}

impl Tower {
    pub(super) fn load(
        weights: &Weights,
        config: &Config,
        projection: Projection,
        device: &Device,
    ) -> Result<Self, Error> {
        let width = config.width;
        let norm = |name: &str| Norm::load(weights, name, width, config.epsilon, device);
        let blocks = (0..config.blocks)
            .map(|i| {
                let name = |part: &str| format!("encoder.layers.{i}.{part}");
                let qkv = ["q_proj", "k_proj", "v_proj"].map(|p| name(&format!("self_attn.{p}")));
                let out = name("self_attn.out_proj");
                let (up, down) = ([name("mlp.fc1")], [name("mlp.fc2")]);
                Ok(Block {
                    norm1: norm(&name("layer_norm1"))?,
                    attention: SelfAttention::load(weights, qkv, out, width, config.heads, device)?,
                    norm2: norm(&name("layer_norm2"))?,
                    up: Linear::load(weights, &up, [width, config.inner], device)?,
                    activation: config.activation,
                    down: Linear::load(weights, &down, [config.inner, width], device)?,
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let shape = [config.vocabulary, width];
        Ok(Self {
            tokens: weights.tensor("embeddings.token_embedding.weight", shape, device)?,
            positions: weights.tensor(
                "embeddings.position_embedding.weight",
                [config.positions, width],
                device,
            )?,
            blocks,
            norm: norm("final_layer_norm")?,
            projection: load_projection(weights, width, projection, device)?,
        })
    }

    pub(super) fn is_projected(&self) -> bool {
        self.projection.is_some()
    }

    /// P.
    pub(super) fn pooled_width(&self) -> usize {
        let projection = self.projection.as_ref();
        projection.map_or_else(|| self.tokens.dims()[1], Linear::outs)
    }

    /// `ids` are B rows of L; `pooled_at` are B positions within their rows. A causal tower needs no mask for padding
    /// at the end: no real token sees it.
    pub(super) fn forward(&self, ids: Vec<i64>, pooled_at: &[usize], layer: ClipLayer) -> Output {
        let device = self.tokens.device();
        let b = pooled_at.len();
        let l = ids.len() / b.max(1);
        let width = self.tokens.dims()[1];
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [b * l]), &device);
        let x = self.tokens.clone().select(0, ids).reshape([b, l, width]);
        let positions = self.positions.clone().slice([0..l]).reshape([1, l, width]);
        let mut x = (x + positions).reshape([b * l, width]);
        let mask = Mask {
            causal: true,
            padding: None,
        };
        let mut penultimate = x.clone();
        for block in &self.blocks {
            penultimate = x.clone();
            x = block.forward(x, [b, l], &mask);
        }
        let last = self.norm.forward(x);
        let rows = pooled_at.iter().enumerate();
        let rows: Vec<i64> = rows.map(|(i, &at)| (i * l + at) as i64).collect();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [b]), &device);
        let pooled = last.clone().select(0, rows);
        Output {
            tokens: match layer {
                ClipLayer::Last => last,
                ClipLayer::Penultimate => penultimate,
                ClipLayer::PenultimateNormed => self.norm.forward(penultimate),
            },
            pooled: match &self.projection {
                Some(projection) => projection.forward(pooled),
                None => pooled,
            },
        }
    }
}

impl Block {
    fn forward(&self, x: Tensor<2>, shape: [usize; 2], mask: &Mask) -> Tensor<2> {
        let y = self.norm1.forward(x.clone());
        let x = x + self.attention.forward(y, shape, mask);
        let y = self.up.forward(self.norm2.forward(x.clone()));
        x + self.down.forward(self.activation.forward(y))
    }
}

/// The projection `[P, width]` onto the space shared with images; P is read from the file.
fn load_projection(
    weights: &Weights,
    width: usize,
    projection: Projection,
    device: &Device,
) -> Result<Option<Linear>, Error> {
    let found = weights.shape(PROJECTION);
    if projection == Projection::Never || (projection == Projection::IfPresent && found.is_none()) {
        return Ok(None);
    }
    let outs = match found.as_deref() {
        Some(&[outs, ins]) if ins == width && outs > 0 => outs,
        other => {
            return Err(Error::Tensor {
                file: weights.name(),
                tensor: PROJECTION.into(),
                found: other.map_or_else(|| "missing".into(), |shape| format!("{shape:?}")),
                expected: format!("[P, {width}]"),
            });
        }
    };
    let values = weights.values_of(PROJECTION, &[outs, width])?;
    Ok(Some(Linear::without_bias(&values, [width, outs], device)))
}
