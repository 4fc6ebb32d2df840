//! The layers of a LoRA file.

use std::collections::BTreeMap;

use super::natural::natural;
use crate::error::LoraFileError;
use crate::{LayerGroup, LayerKind, TensorRole, TensorSpec};

/// The shapes of the factors, by name.
pub(super) type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// Suffixes of down and up: PEFT, PEFT with an adapter's name, kohya's sd-scripts, diffusers.
const PAIRS: [(&str, &str); 4] = [
    (".lora_A.weight", ".lora_B.weight"),
    (".lora_A.default.weight", ".lora_B.default.weight"),
    (".lora_down.weight", ".lora_up.weight"),
    (".lora.down.weight", ".lora.up.weight"),
];

/// Name parts of attention projections in transformers, diffusers and kohya's files.
const ATTENTION: [&str; 5] = ["attn", "attention", "q_proj", "k_proj", "v_proj"];

/// An adapted layer.
pub(super) struct Layer {
    pub(super) group: LayerGroup,
    /// The name of its up factor.
    pub(super) up: String,
    pub(super) rank: usize,
}

/// The layers in natural order, each with its down and up factor.
pub(super) fn layers(factors: &Shapes<'_>) -> Result<Vec<Layer>, LoraFileError> {
    let mut layers: BTreeMap<&str, [Option<&str>; 2]> = BTreeMap::new();
    for &name in factors.keys() {
        let Some((layer, factor)) = split(name) else {
            let name = name.to_owned();
            return Err(LoraFileError::UnknownTensor { name });
        };
        let slot = &mut layers.entry(layer).or_default()[factor];
        if let Some(other) = slot {
            return Err(LoraFileError::DuplicateFactor {
                name: name.to_owned(),
                other: (*other).to_owned(),
            });
        }
        *slot = Some(name);
    }
    if layers.is_empty() {
        return Err(LoraFileError::Empty);
    }
    let mut layers: Vec<_> = layers.into_iter().collect();
    layers.sort_by(|a, b| natural(a.0, b.0));
    let one = |(name, pair)| layer(factors, name, pair);
    layers.into_iter().map(one).collect()
}

/// A layer whose down and up factor are the tensors named in `pair`.
fn layer(
    factors: &Shapes<'_>,
    name: &str,
    pair: [Option<&str>; 2],
) -> Result<Layer, LoraFileError> {
    let [Some(down), Some(up)] = pair else {
        let name = pair[0].or(pair[1]).unwrap_or(name).to_owned();
        return Err(LoraFileError::NoPartner { name });
    };
    let (a, b) = (factors[down], factors[up]);
    if a.len() < 2 || a.len() != b.len() || a[0] != b[1] {
        return Err(LoraFileError::Rank {
            down: down.to_owned(),
            down_shape: a.to_vec(),
            up: up.to_owned(),
            up_shape: b.to_vec(),
        });
    }
    for (name, shape) in [(down, a), (up, b)] {
        if shape.contains(&0) {
            return Err(LoraFileError::NoValues {
                name: name.to_owned(),
                shape: shape.to_vec(),
            });
        }
    }
    let spec = |name: &str, shape: &[usize], role| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
        role,
    };
    Ok(Layer {
        group: LayerGroup {
            name: name.to_owned(),
            kind: kind(name, a.len()),
            tensors: vec![spec(down, a, TensorRole::Down), spec(up, b, TensorRole::Up)],
        },
        up: up.to_owned(),
        rank: a[0],
    })
}

/// The layer's name, and 0 for its down, 1 for its up factor.
fn split(name: &str) -> Option<(&str, usize)> {
    PAIRS.iter().find_map(|(down, up)| {
        let down = name.strip_suffix(down).map(|layer| (layer, 0));
        down.or_else(|| name.strip_suffix(up).map(|layer| (layer, 1)))
    })
}

fn kind(layer: &str, dims: usize) -> LayerKind {
    if dims > 2 {
        LayerKind::Conv
    } else if ATTENTION.iter().any(|part| layer.contains(part)) {
        LayerKind::Attention
    } else {
        LayerKind::Linear
    }
}
