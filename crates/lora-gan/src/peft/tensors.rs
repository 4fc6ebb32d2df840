//! `adapter_model.safetensors`.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use weight_blocks::{HostTensor, NamedTensors, write_atomic};

use crate::adapter::check_finite;
use crate::error::Error;
use crate::files::{check_size, io};

/// What PyTorch's batch norms count in.
pub(super) const COUNTER: &str = ".num_batches_tracked";

/// Writes `tensors` as floats, and a zero of PyTorch's integer type for each of `counters`.
pub(super) fn write(path: &Path, tensors: &NamedTensors, counters: &[String]) -> Result<(), Error> {
    let fail = |error: safetensors::SafeTensorError| Error::Peft {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let bytes: Vec<Vec<u8>> = (tensors.values())
        .map(|tensor| tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let mut views = Vec::with_capacity(tensors.len() + counters.len());
    for ((name, tensor), bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(fail)?;
        views.push((name.as_str(), view));
    }
    let zero = 0i64.to_le_bytes();
    for name in counters {
        let view = TensorView::new(Dtype::I64, Vec::new(), &zero).map_err(fail)?;
        views.push((name.as_str(), view));
    }
    let header = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let file = safetensors::serialize(views, Some(header)).map_err(fail)?;
    Ok(write_atomic(path, &file)?)
}

/// Float tensors of the file; PyTorch's batch norms leave counters of integers there, which are
/// passed over.
pub(super) fn read(path: &Path, limit: u64) -> Result<NamedTensors, Error> {
    check_size(path, limit)?;
    let bytes = std::fs::read(path).map_err(|source| io(path, source))?;
    let fail = |why: String| Error::Peft {
        path: path.to_owned(),
        why,
    };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| fail(format!("not a safetensors file ({error})")))?;
    let mut tensors = NamedTensors::new();
    for (name, view) in file.iter() {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::I64 if name.ends_with(COUNTER) => continue,
            other => {
                return Err(fail(format!(
                    "tensor `{name}` is of type {other:?}; save it as F32, F16 or BF16"
                )));
            }
        };
        let shape = view.shape().to_vec();
        let data = TensorData::from_bytes_vec(view.data().to_vec(), shape.clone(), dtype);
        let data = (data.convert::<f32>().try_into_vec::<f32>())
            .map_err(|error| fail(format!("tensor `{name}`: {error:?}")))?;
        tensors.insert(name.to_owned(), HostTensor::new(shape, data)?);
    }
    check_finite(&tensors)?;
    Ok(tensors)
}
