//! Adapters as vectors of weights: their layout in blocks, norms and distances.

use lora_gan::{BaseGenerator, HybridGenerator};
use weight_blocks::{GroupingRule, Layout, NamedTensors, TensorRole, WeightSpace, Zoo};

use crate::Error;
use crate::error::Result;

/// Weights per block b of the shipped zoo and weight generator (the paper's).
pub const BLOCK_SIZE: usize = 256;

/// How the adapters of `base` are cut into blocks of `block_size` weights: grouping rule 1, layer after layer.
///
/// # Errors
/// Returns [`Error::Weights`] if the base has no adapted layers.
pub fn adapter_layout(base: &BaseGenerator, block_size: usize) -> Result<Layout> {
    let groups = base.generator.layer_groups();
    Ok(Layout::new(
        "hybrid-generator",
        groups,
        GroupingRule::Appended,
        block_size,
    )?)
}

/// The network of `base` with an adapter. A base that reads prompts must be one for a prompt
/// ([`PromptEncoder::prompted`](crate::PromptEncoder::prompted)).
///
/// # Errors
/// Returns [`Error::Network`] if the base lacks its prompt, and [`Error::Weights`] if the adapter does not fit it.
pub fn adapt(base: &BaseGenerator, adapter: &NamedTensors) -> Result<HybridGenerator> {
    base.check_prompt()?;
    let mut generator = base.generator.clone();
    generator.load_weights(adapter)?;
    Ok(generator)
}

/// The adapter on the straight line from `a` to `b`: `(1 − share) a + share b`, weight by weight. Adapters of one zoo and
/// its weight generator all start from the same factors, so the line passes through adapters of both kinds.
///
/// # Errors
/// Returns [`Error::Share`] if `share` is not in 0..=1, and [`Error::OtherTensors`], which names a tensor, if the adapters
/// do not have the same tensors.
pub fn mix(a: &NamedTensors, b: &NamedTensors, share: f32) -> Result<NamedTensors> {
    check_share("the share of the second adapter", share, 1.0)?;
    let mut mixed = a.clone();
    blend(&mut mixed, b, |_| share)?;
    Ok(mixed)
}

/// The prompt that a base reads with a [`mix`] of adapters: that of the nearer end, or both at equal shares.
pub fn mixed_prompt(a: &str, b: &str, share: f32) -> String {
    match share {
        share if share < 0.5 => a.to_owned(),
        share if share > 0.5 => b.to_owned(),
        _ => format!("{a}, {b}"),
    }
}

/// `adapter` with `strength` times its effect, as the weight α of a LoRA in other programs: 0 is the base as it is, 1 the
/// adapter, 2 twice its change. The product of LoRA's factors and the change of the norms' γ and β are scaled.
///
/// # Errors
/// Returns [`Error::Share`] if `strength` is not in 0..=4, [`Error::OtherTensors`] if the adapter does not have the
/// base's tensors, and [`Error::Weights`] if the base cannot be read.
pub fn with_strength(
    base: &BaseGenerator,
    adapter: &NamedTensors,
    strength: f32,
) -> Result<NamedTensors> {
    check_share("the strength", strength, MAX_STRENGTH)?;
    let groups = base.generator.layer_groups();
    // The product of both factors is scaled if one of them is.
    let kept: Vec<String> = (groups.into_iter().flat_map(|group| group.tensors))
        .filter(|tensor| tensor.role == TensorRole::Down)
        .map(|tensor| tensor.name)
        .collect();
    let mut scaled = base.generator.read_weights()?;
    blend(&mut scaled, adapter, |name| {
        if kept.iter().any(|down| down == name) {
            1.0
        } else {
            strength
        }
    })?;
    Ok(scaled)
}

/// The largest strength of an adapter.
pub const MAX_STRENGTH: f32 = 4.0;

fn check_share(what: &'static str, value: f32, max: f32) -> Result<()> {
    if (0.0..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::Share { what, value, max })
}

/// Moves `from` towards `to` by a share that depends on the tensor's name. Shares 0 and 1 give the ends exactly.
fn blend(from: &mut NamedTensors, to: &NamedTensors, share: impl Fn(&str) -> f32) -> Result<()> {
    let other = |name: &String| Error::OtherTensors { name: name.clone() };
    if let Some(name) = to.keys().find(|name| !from.contains_key(*name)) {
        return Err(other(name));
    }
    for (name, tensor) in from {
        let (goal, share) = (to.get(name).ok_or_else(|| other(name))?, share(name));
        if goal.shape != tensor.shape {
            return Err(other(name));
        }
        for (value, goal) in tensor.data.iter_mut().zip(&goal.data) {
            *value = (1.0 - share) * *value + share * goal;
        }
    }
    Ok(())
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
/// Returns [`Error::Weights`] if the zoo cannot be read.
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

#[cfg(test)]
mod tests {
    use super::*;
    use weight_blocks::HostTensor;

    fn adapter(values: &[f32]) -> NamedTensors {
        let tensor = HostTensor::new(vec![values.len()], values.to_vec()).unwrap();
        [("stem.lora_A.weight".to_owned(), tensor)].into()
    }

    #[test]
    fn a_mix_lies_between_both_adapters_and_ends_in_them() {
        let (a, b) = (adapter(&[0.25, 2.0]), adapter(&[0.75, -2.0]));
        assert_eq!(mix(&a, &b, 0.0).unwrap(), a);
        assert_eq!(mix(&a, &b, 1.0).unwrap(), b);
        assert_eq!(mix(&a, &b, 0.5).unwrap(), adapter(&[0.5, 0.0]));
        for share in [-0.1, 1.1, f32::NAN] {
            let error = mix(&a, &b, share).unwrap_err().to_string();
            assert!(error.contains("0 to 1"), "{error}");
        }
        let error = mix(&a, &adapter(&[1.0]), 0.5).unwrap_err().to_string();
        assert!(error.contains("stem.lora_A.weight"), "{error}");
        assert!(mix(&a, &NamedTensors::new(), 0.5).is_err());
        assert!(mix(&NamedTensors::new(), &a, 0.5).is_err());
    }
}
