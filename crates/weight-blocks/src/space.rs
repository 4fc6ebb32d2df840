//! How a model lists its adapted layers.

use serde::{Deserialize, Serialize};

use crate::{Error, NamedTensors};

/// What a layer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// Convolution.
    Conv,
    /// Transposed convolution.
    ConvTranspose,
    /// Linear layer.
    Linear,
    /// Projection of an attention layer.
    Attention,
    /// A norm in a group of its own.
    Norm,
    /// Table of vectors.
    Embedding,
    /// Anything else.
    Other,
}

/// What a tensor is in its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TensorRole {
    /// LoRA's first factor (PEFT's `lora_A`).
    Down,
    /// LoRA's second factor (PEFT's `lora_B`).
    Up,
    /// A layer's own weight, if the whole layer and not an adapter is generated.
    Weight,
    /// A layer's own bias.
    Bias,
    /// γ of the norm that follows.
    NormWeight,
    /// β of the norm that follows.
    NormBias,
}

/// One tensor of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Its name, as PyTorch and PEFT print it.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What it is.
    pub role: TensorRole,
}

/// The tensors of one layer, in the order of rule 1: down, up, norm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerGroup {
    /// The layer's name.
    pub name: String,
    /// What it computes.
    pub kind: LayerKind,
    /// Its tensors.
    pub tensors: Vec<TensorSpec>,
}

/// A model, or a file, whose adapted layers can be listed, read and loaded.
pub trait WeightSpace {
    /// The layers in forward order. The order is part of the [`Layout`](crate::Layout).
    fn layer_groups(&self) -> Vec<LayerGroup>;

    /// Copies of exactly the tensors that [`layer_groups`](Self::layer_groups) lists.
    ///
    /// # Errors
    /// Returns an error if the values cannot be read back from their device.
    fn read_weights(&self) -> Result<NamedTensors, Error>;

    /// Replaces all of these tensors.
    ///
    /// # Errors
    /// Those of [`check_tensors`]; the model is then unchanged.
    fn load_weights(&mut self, weights: &NamedTensors) -> Result<(), Error>;
}

/// Checks that `weights` holds exactly the tensors of `groups`, in their shapes.
///
/// # Errors
/// Returns [`Error::MissingTensor`], [`Error::ShapeMismatch`] or [`Error::UnexpectedTensor`], each naming
/// the tensor; [`Error::File`] for values that do not fill their shape.
pub fn check_tensors(groups: &[LayerGroup], weights: &NamedTensors) -> Result<(), Error> {
    let mut known = std::collections::BTreeSet::new();
    for spec in groups.iter().flat_map(|group| &group.tensors) {
        let Some(tensor) = weights.get(&spec.name) else {
            return Err(Error::MissingTensor {
                name: spec.name.clone(),
            });
        };
        if tensor.shape != spec.shape {
            return Err(Error::ShapeMismatch {
                name: spec.name.clone(),
                expected: spec.shape.clone(),
                found: tensor.shape.clone(),
            });
        }
        // `HostTensor`'s fields are public, so its values may not fit its shape.
        if num_elements(&tensor.shape) != Some(tensor.data.len()) {
            return Err(Error::File(tensor_file::Error::ValueCount {
                shape: tensor.shape.clone(),
                values: tensor.data.len(),
            }));
        }
        known.insert(spec.name.as_str());
    }
    match weights.keys().find(|name| !known.contains(name.as_str())) {
        Some(name) => Err(Error::UnexpectedTensor { name: name.clone() }),
        None => Ok(()),
    }
}

/// Product of the dimensions; `None` if it overflows.
pub(crate) fn num_elements(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}
