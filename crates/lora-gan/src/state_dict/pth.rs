//! PyTorch's `.pth` files.

use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader, Tensor};
use weight_blocks::{HostTensor, NamedTensors};

use super::check;
use crate::error::Error;

/// Names and shapes are compared before any tensor's bytes are read.
pub(super) fn read(path: &Path, expected: &NamedTensors) -> Result<NamedTensors, Error> {
    let damaged = |why: String| Error::StateDict {
        path: path.to_owned(),
        why,
    };
    let reader = PytorchReader::new(path).map_err(|error| damaged(error.to_string()))?;
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
            return Err(weight_blocks::Error::NonFinite {
                path: path.to_owned(),
                value: data[index],
                name,
                index,
            }
            .into());
        }
        let shape = tensor.shape().to_vec();
        tensors.insert(name, HostTensor::new(shape, data)?);
    }
    Ok(tensors)
}

fn floats(path: &Path, name: &str, tensor: &Tensor) -> Result<Vec<f32>, Error> {
    let bytes = tensor.read().map_err(|error| Error::StateDict {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
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
