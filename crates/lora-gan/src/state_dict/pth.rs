//! PyTorch's `.pth` files.

use std::path::Path;

use half::{bf16, f16};
use torch_file::{DType, Tensor};
use weight_blocks::{HostTensor, NamedTensors};

use super::check;
use crate::error::Error;

fn of_reader(path: &Path, error: torch_file::Error) -> Error {
    match error {
        torch_file::Error::Io { path, source } => Error::Io { path, source },
        torch_file::Error::Limit { why, .. } | torch_file::Error::Damaged { why, .. } => {
            Error::StateDict {
                path: path.to_owned(),
                why,
            }
        }
        other => Error::StateDict {
            path: path.to_owned(),
            why: other.to_string(),
        },
    }
}

/// Names and shapes are compared before any tensor's bytes are read.
pub(super) fn read(path: &Path, expected: &NamedTensors) -> Result<NamedTensors, Error> {
    let reader = torch_file::open(path).map_err(|error| of_reader(path, error))?;
    let shapes = reader
        .tensors()
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.shape()));
    let mut tensors = NamedTensors::new();
    for (name, source) in check(path, expected, shapes)? {
        let Some(tensor) = reader.get(&source) else {
            continue;
        };
        let data = floats(path, &name, tensor)?;
        if let Some(index) = data.iter().position(|value| !value.is_finite()) {
            return Err(weight_blocks::Error::File(tensor_file::Error::NonFinite {
                path: path.to_owned(),
                value: data[index],
                name,
                index,
            })
            .into());
        }
        let shape = tensor.shape().to_vec();
        tensors.insert(
            name,
            HostTensor::new(shape, data).map_err(weight_blocks::Error::from)?,
        );
    }
    Ok(tensors)
}

fn floats(path: &Path, name: &str, tensor: &Tensor) -> Result<Vec<f32>, Error> {
    let bytes = torch_file::read(path, tensor).map_err(|error| of_reader(path, error))?;
    let pairs = || bytes.chunks_exact(2).map(|c| [c[0], c[1]]);
    Ok(match tensor.dtype() {
        DType::F32 => bytes
            .chunks_exact(4)
            .map(|c| f32::from_ne_bytes([c[0], c[1], c[2], c[3]]))
            .collect(),
        DType::F64 => bytes
            .chunks_exact(8)
            .map(|c| f64::from_ne_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]) as f32)
            .collect(),
        DType::F16 => pairs().map(|c| f16::from_ne_bytes(c).to_f32()).collect(),
        DType::BF16 => pairs().map(|c| bf16::from_ne_bytes(c).to_f32()).collect(),
        other => {
            return Err(Error::StateTensor {
                path: path.to_owned(),
                name: name.to_owned(),
                why: format!("is of type {other:?}; floats can be read"),
            });
        }
    })
}
