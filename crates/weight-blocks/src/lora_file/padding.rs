//! Factors of smaller ranks and missing layers, filled with zeros.

use std::collections::BTreeMap;

use crate::error::PaddingError;
use crate::{HostTensor, LayerGroup, NamedTensors, TensorRole, TensorSpec};

/// Brings the factors of a LoRA to the shapes of `groups`, without changing its product: a smaller rank is filled up with
/// rows of zeros in the down factor and columns of zeros in the up factor, and a missing layer is zero.
///
/// ```
/// use std::collections::BTreeMap;
/// use weight_blocks::lora_file::pad;
/// use weight_blocks::{HostTensor, LayerGroup, LayerKind, TensorRole, TensorSpec};
///
/// let spec = |name: &str, shape: &[usize], role| TensorSpec { name: name.into(), shape: shape.to_vec(), role };
/// let groups = [LayerGroup {
///     name: "fc".into(),
///     kind: LayerKind::Linear,
///     tensors: vec![spec("down", &[2, 3], TensorRole::Down), spec("up", &[2, 2], TensorRole::Up)],
/// }];
/// let rank_1 = BTreeMap::from([
///     ("down".into(), HostTensor::new(vec![1, 3], vec![1.0, 2.0, 3.0])?),
///     ("up".into(), HostTensor::new(vec![2, 1], vec![4.0, 5.0])?),
/// ]);
/// let rank_2 = pad(rank_1, &groups)?;
/// assert_eq!(rank_2["down"].data, [1.0, 2.0, 3.0, 0.0, 0.0, 0.0]);
/// assert_eq!(rank_2["up"].data, [4.0, 0.0, 5.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns [`PaddingError`] for a tensor that `groups` do not have, or that differs from theirs in more than a smaller rank.
pub fn pad(mut factors: NamedTensors, groups: &[LayerGroup]) -> Result<NamedTensors, PaddingError> {
    let specs = groups.iter().flat_map(|group| &group.tensors);
    let padded = specs
        .map(|spec| {
            let tensor = match factors.remove(&spec.name) {
                Some(tensor) if tensor.shape == spec.shape => tensor,
                Some(tensor) => widen(&tensor, spec)?,
                None => zeros(&spec.shape),
            };
            Ok((spec.name.clone(), tensor))
        })
        .collect::<Result<_, PaddingError>>()?;
    match factors.into_keys().next() {
        Some(name) => Err(PaddingError::UnknownTensor { name }),
        None => Ok(padded),
    }
}

/// Checks that [`pad`] can bring factors of the layers `from` to the shapes of `groups`.
///
/// # Errors
/// As [`pad`].
pub fn check_padding(from: &[LayerGroup], groups: &[LayerGroup]) -> Result<(), PaddingError> {
    let all = groups.iter().flat_map(|group| &group.tensors);
    let places: BTreeMap<&str, &TensorSpec> = all.map(|spec| (spec.name.as_str(), spec)).collect();
    for own in from.iter().flat_map(|group| &group.tensors) {
        let place = places.get(own.name.as_str());
        let place = place.ok_or_else(|| PaddingError::UnknownTensor {
            name: own.name.clone(),
        })?;
        check_shape(&own.shape, place)?;
    }
    Ok(())
}

/// Checks that `from` is the shape of `to` but for a smaller rank, and gives the dimension of the rank.
fn check_shape(from: &[usize], to: &TensorSpec) -> Result<usize, PaddingError> {
    let rank = usize::from(to.role == TensorRole::Up);
    let is_factor = matches!(to.role, TensorRole::Up | TensorRole::Down);
    let fits =
        |d: usize| from[d] == to.shape[d] || (is_factor && d == rank && from[d] < to.shape[d]);
    if from.len() == to.shape.len() && (0..from.len()).all(fits) {
        return Ok(rank);
    }
    Err(PaddingError::Shape {
        name: to.name.clone(),
        expected: to.shape.clone(),
        found: from.to_vec(),
    })
}

/// The tensor with zeros up to the rank of `spec`.
fn widen(tensor: &HostTensor, spec: &TensorSpec) -> Result<HostTensor, PaddingError> {
    let rank = check_shape(&tensor.shape, spec)?;
    let mut wide = zeros(&spec.shape);
    // Runs of values from the dimension of the rank on.
    let run = |shape: &[usize]| shape.iter().skip(rank).product::<usize>().max(1);
    let (old, new) = (run(&tensor.shape), run(&spec.shape));
    for (source, target) in tensor.data.chunks(old).zip(wide.data.chunks_mut(new)) {
        target[..source.len()].copy_from_slice(source);
    }
    Ok(wide)
}

fn zeros(shape: &[usize]) -> HostTensor {
    HostTensor {
        shape: shape.to_vec(),
        data: vec![0.0; shape.iter().product()],
    }
}
