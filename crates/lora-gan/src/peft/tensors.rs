//! `adapter_model.safetensors`.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use weight_blocks::{NamedTensors, load_safetensors, write_atomic};

use crate::error::Error;
use crate::files::check_size;

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

/// Float tensors of a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<NamedTensors, Error> {
    check_size(path, limit)?;
    Ok(load_safetensors(path)?.0)
}
