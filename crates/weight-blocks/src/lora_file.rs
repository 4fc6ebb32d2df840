//! LoRA files that other tools wrote.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use tensor_file::{load_safetensors, save_safetensors};

use crate::error::LoraFileError;
use crate::{
    Error, LayerGroup, LayerKind, NamedTensors, TensorRole, TensorSpec, WeightSpace, check_tensors,
};

/// Suffixes of down and up: PEFT, PEFT with an adapter's name, kohya's sd-scripts, diffusers.
const PAIRS: [(&str, &str); 4] = [
    (".lora_A.weight", ".lora_B.weight"),
    (".lora_A.default.weight", ".lora_B.default.weight"),
    (".lora_down.weight", ".lora_up.weight"),
    (".lora.down.weight", ".lora.up.weight"),
];

/// Name parts of attention projections in transformers, diffusers and kohya's files.
const ATTENTION: [&str; 5] = ["attn", "attention", "q_proj", "k_proj", "v_proj"];

/// A LoRA safetensors file of PEFT (`adapter_model.safetensors`), diffusers or kohya's sd-scripts as
/// a [`WeightSpace`]: a folder of such files becomes a zoo, and predicted weights become such a file.
///
/// Each adapted layer is a group of its down and up factor, layers in natural order (`layers.2`
/// before `layers.10`). kohya's `alpha` is a constant of the layer and not among the weights; it is
/// kept and written back.
///
/// ```
/// use std::collections::BTreeMap;
/// use weight_blocks::{
///     Checkpoint, ConceptRecord, GroupingRule, HostTensor, Layout, LoraFile, NamedTensors, WeightSpace, Zoo,
/// };
///
/// # let dir = tempfile::tempdir()?;
/// # let tensor = |shape: [usize; 2], v: f32| HostTensor::new(shape.to_vec(), vec![v; shape[0] * shape[1]]);
/// # let file = |v| -> Result<NamedTensors, tensor_file::Error> { Ok(BTreeMap::from([
/// #     ("base_model.model.h.0.attn.lora_A.weight".to_owned(), tensor([4, 64], v)?),
/// #     ("base_model.model.h.0.attn.lora_B.weight".to_owned(), tensor([32, 4], -v)?),
/// # ])) };
/// # for (name, v) in [("pirate", 0.1), ("poet", 0.2)] {
/// #     tensor_file::save_safetensors(&dir.path().join(format!("{name}.safetensors")), &file(v)?, &BTreeMap::new())?;
/// # }
/// let first = LoraFile::open(&dir.path().join("pirate.safetensors"))?;
/// let layout = Layout::new("my-llm", first.layer_groups(), GroupingRule::Appended, 256)?;
/// let mut zoo = Zoo::create(&dir.path().join("zoo"), &layout, "my-llm-7b")?;
/// for name in ["pirate", "poet"] {
///     let file = LoraFile::open(&dir.path().join(format!("{name}.safetensors")))?;
///     let record = ConceptRecord {
///         concept: name.into(),
///         prompt: format!("talks like a {name}"),
///         seed: 0,
///         recipe: serde_json::Value::Null,
///         checkpoints: vec![Checkpoint { epoch: 0, metrics: BTreeMap::new() }],
///     };
///     zoo.append(&record, &[file.read_weights()?])?;
/// }
/// assert_eq!(zoo.entries().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LoraFile {
    groups: Vec<LayerGroup>,
    weights: NamedTensors,
    /// kohya's alphas.
    constants: NamedTensors,
    metadata: BTreeMap<String, String>,
}

impl LoraFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be read, and [`Error::LoraFile`] if a factor has no partner, ranks
    /// differ, or a tensor does not belong to a LoRA.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (mut weights, metadata) = load_safetensors(path)?;
        let alphas = weights.extract_if(.., |name, _| name.ends_with(".alpha"));
        let constants: NamedTensors = alphas.collect();
        let groups = groups(&weights).map_err(|source| Error::LoraFile {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            groups,
            weights,
            constants,
            metadata,
        })
    }

    /// Writes the file in 32-bit floats under its own names, atomically; alphas and the header's metadata are written
    /// back as they were.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let mut all = self.weights.clone();
        all.extend(self.constants.clone());
        Ok(save_safetensors(path, &all, &self.metadata)?)
    }
}

impl WeightSpace for LoraFile {
    fn layer_groups(&self) -> Vec<LayerGroup> {
        self.groups.clone()
    }

    fn read_weights(&self) -> Result<NamedTensors, Error> {
        Ok(self.weights.clone())
    }

    fn load_weights(&mut self, weights: &NamedTensors) -> Result<(), Error> {
        check_tensors(&self.groups, weights)?;
        self.weights = weights.clone();
        Ok(())
    }
}

/// The layers in natural order, each with its down and up factor.
fn groups(factors: &NamedTensors) -> Result<Vec<LayerGroup>, LoraFileError> {
    let mut layers: BTreeMap<&str, [Option<&str>; 2]> = BTreeMap::new();
    for name in factors.keys() {
        let Some((layer, factor)) = split(name) else {
            return Err(LoraFileError::UnknownTensor { name: name.clone() });
        };
        let slot = &mut layers.entry(layer).or_default()[factor];
        if let Some(other) = slot {
            return Err(LoraFileError::DuplicateFactor {
                name: name.clone(),
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
    let group = |(layer, pair)| group(factors, layer, pair);
    layers.into_iter().map(group).collect()
}

/// A layer whose down and up factor are the tensors named in `pair`.
fn group(
    factors: &NamedTensors,
    layer: &str,
    pair: [Option<&str>; 2],
) -> Result<LayerGroup, LoraFileError> {
    let [Some(down), Some(up)] = pair else {
        let name = pair[0].or(pair[1]).unwrap_or(layer).to_owned();
        return Err(LoraFileError::NoPartner { name });
    };
    let (a, b) = (&factors[down].shape, &factors[up].shape);
    if a.len() < 2 || a.len() != b.len() || a[0] != b[1] {
        return Err(LoraFileError::Rank {
            down: down.to_owned(),
            down_shape: a.clone(),
            up: up.to_owned(),
            up_shape: b.clone(),
        });
    }
    let spec = |name: &str, shape: &[usize], role| TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
        role,
    };
    Ok(LayerGroup {
        name: layer.to_owned(),
        kind: kind(layer, a.len()),
        tensors: vec![spec(down, a, TensorRole::Down), spec(up, b, TensorRole::Up)],
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

/// Digits compare as numbers, everything else by bytes.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (run_a, run_b) = (digits(a), digits(b));
        if run_a > 0 && run_b > 0 {
            let (x, y) = (significant(&a[..run_a]), significant(&b[..run_b]));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            // Equal numbers of different spelling (`01`, `1`) still need an order.
            let order = order.then_with(|| run_a.cmp(&run_b));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[run_a..], &b[run_b..]);
            continue;
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, rest_a)), Some((y, rest_b))) if x == y => (a, b) = (rest_a, rest_b),
            (x, y) => return x.map(|x| x.0).cmp(&y.map(|y| y.0)),
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|c| c.is_ascii_digit()).count()
}

fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|c| **c == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural_order_counts() {
        let mut names = ["h.10.a", "h.2.b", "h.2.a", "h", "h.02.a", "g.11"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["g.11", "h", "h.2.a", "h.2.b", "h.02.a", "h.10.a"]);
    }
}
