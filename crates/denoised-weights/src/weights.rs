//! Adapters as vectors of weights: their layout in blocks, norms and distances.

use lora_gan::{BaseGenerator, HybridGenerator};
use weight_blocks::{GroupingRule, Layout, NamedTensors, WeightSpace, Zoo};

use crate::error::Result;

/// Weights per block b of the shipped zoo and weight generator (the paper's).
pub const BLOCK_SIZE: usize = 256;

/// How the adapters of `base` are cut into blocks of `block_size` weights: grouping rule 1, layer after layer.
///
/// # Errors
/// Returns [`Error::Weights`](crate::Error::Weights) if the base has no adapted layers.
pub fn adapter_layout(base: &BaseGenerator, block_size: usize) -> Result<Layout> {
    let groups = base.generator.layer_groups();
    Ok(Layout::new(
        "hybrid-generator",
        groups,
        GroupingRule::Appended,
        block_size,
    )?)
}

/// A copy of `base` with an adapter.
///
/// # Errors
/// Returns [`Error::Weights`](crate::Error::Weights) if the adapter does not fit the base.
pub fn adapt(base: &HybridGenerator, adapter: &NamedTensors) -> Result<HybridGenerator> {
    let mut generator = base.clone();
    generator.load_weights(adapter)?;
    Ok(generator)
}

/// L2 norm of all weights.
pub fn norm(weights: &NamedTensors) -> f64 {
    let squares = weights
        .values()
        .flat_map(|t| &t.data)
        .map(|v| f64::from(*v).powi(2));
    squares.sum::<f64>().sqrt()
}

/// L2 distance over the weights that both have.
pub fn distance(a: &NamedTensors, b: &NamedTensors) -> f64 {
    let squares = a
        .iter()
        .filter_map(|(name, tensor)| Some((tensor, b.get(name)?)))
        .flat_map(|(a, b)| a.data.iter().zip(&b.data))
        .map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

/// ‖a − b‖ / ‖b − origin‖ over the weights that they share.
pub fn relative_distance(a: &NamedTensors, b: &NamedTensors, origin: &NamedTensors) -> f64 {
    let (apart, size) = (distance(a, b), distance(origin, b));
    apart / size.max(f64::MIN_POSITIVE)
}

/// Cosine of the angle at `origin` between `a` and `b`, over the weights that all three have; 0 if one of the two is the
/// origin.
pub fn cosine(a: &NamedTensors, b: &NamedTensors, origin: &NamedTensors) -> f64 {
    let [mut product, mut size_a, mut size_b] = [0.0; 3];
    for (name, o) in origin {
        let (Some(a), Some(b)) = (a.get(name), b.get(name)) else {
            continue;
        };
        for ((a, b), o) in a.data.iter().zip(&b.data).zip(&o.data) {
            let (a, b) = (f64::from(a - o), f64::from(b - o));
            product += a * b;
            size_a += a * a;
            size_b += b * b;
        }
    }
    let size = (size_a * size_b).sqrt();
    if size > 0.0 { product / size } else { 0.0 }
}

/// L2 distance to the closest of the last checkpoints in the zoo, and the name of its concept; `None` for an empty zoo.
///
/// # Errors
/// Returns [`Error::Weights`](crate::Error::Weights) if the zoo cannot be read.
pub fn zoo_distance(weights: &NamedTensors, zoo: &Zoo) -> Result<Option<(f64, String)>> {
    let mut best: Option<(f64, String)> = None;
    for entry in zoo.last_entries() {
        let other = zoo.load(entry)?;
        let distance = distance(weights, &other);
        if best.as_ref().is_none_or(|(d, _)| distance < *d) {
            best = Some((distance, entry.concept.clone()));
        }
    }
    Ok(best)
}
