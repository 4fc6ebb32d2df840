//! Files that both sides read.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tensor_file::{HostTensor, NamedTensors, atomic, load_safetensors, save_safetensors};

use crate::Result;

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    Ok(atomic::write(path, &serde_json::to_vec_pretty(value)?)?)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_slice(&bytes)?)
}

pub(super) fn save(path: &Path, tensors: &NamedTensors) -> Result<()> {
    Ok(save_safetensors(path, tensors, &BTreeMap::new())?)
}

pub(super) fn read(path: &Path) -> Result<NamedTensors> {
    Ok(load_safetensors(path)?.0)
}

/// Tensor `name` of `tensors` on `device`.
pub(super) fn tensor<const D: usize>(
    tensors: &NamedTensors,
    name: &str,
    device: &Device,
) -> Result<Tensor<D>> {
    let tensor = tensors
        .get(name)
        .ok_or_else(|| format!("no input {name:?}"))?;
    let shape: [usize; D] = (tensor.shape.as_slice())
        .try_into()
        .map_err(|_| format!("input {name:?} is not of {D} dimensions"))?;
    Ok(Tensor::from_data(
        TensorData::new(tensor.data.clone(), shape),
        device,
    ))
}

/// The values of `tensor` on the host.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Result<HostTensor> {
    let shape = tensor.dims().to_vec();
    let data = tensor.without_autodiff().into_data().try_into_vec::<f32>();
    let data = data.map_err(|error| format!("{error:?}"))?;
    Ok(HostTensor::new(shape, data)?)
}
