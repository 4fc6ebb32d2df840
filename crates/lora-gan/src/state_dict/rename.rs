//! Names of a module's tensors, here and in PyTorch.

use tensor_file::NamedTensors;

use super::LayerNames;

/// `blocks.0.conv1.norm.weight` → `model.10.conv_block.2.weight`.
pub(super) fn to_torch(tensors: NamedTensors, names: &[LayerNames]) -> NamedTensors {
    rename(tensors, |name| {
        names.iter().find_map(|LayerNames { layer, conv, norm }| {
            let rest = name.strip_prefix(layer.as_str())?.strip_prefix('.')?;
            Some(match rest.strip_prefix("norm.") {
                Some(rest) => format!("{norm}.{rest}"),
                None => format!("{conv}.{rest}"),
            })
        })
    })
}

/// The inverse of [`to_torch`].
pub(super) fn from_torch(tensors: NamedTensors, names: &[LayerNames]) -> NamedTensors {
    rename(tensors, |name| {
        let (prefix, leaf) = name.rsplit_once('.')?;
        names.iter().find_map(|LayerNames { layer, conv, norm }| {
            if prefix == conv {
                Some(format!("{layer}.{leaf}"))
            } else if prefix == norm {
                Some(format!("{layer}.norm.{leaf}"))
            } else {
                None
            }
        })
    })
}

fn rename(tensors: NamedTensors, map: impl Fn(&str) -> Option<String>) -> NamedTensors {
    tensors
        .into_iter()
        .map(|(name, tensor)| (map(&name).unwrap_or(name), tensor))
        .collect()
}
