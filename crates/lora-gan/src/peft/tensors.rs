//! `adapter_model.safetensors`.

use std::path::Path;

use tensor_file::{NamedTensors, SafetensorsWriter, load_safetensors};

use crate::error::Error;
use crate::files::check_size;

/// What PyTorch's batch norms count in.
pub(super) const COUNTER: &str = ".num_batches_tracked";

/// Writes `tensors` as floats, and a zero of PyTorch's integer type for each of `counters`.
pub(super) fn write(path: &Path, tensors: &NamedTensors, counters: &[String]) -> Result<(), Error> {
    let mut writer = SafetensorsWriter::new();
    writer.metadata("format", "pt");
    for (name, tensor) in tensors {
        writer.f32(name, &tensor.shape, &tensor.data)?;
    }
    for name in counters {
        writer.i64(name, &[], &[0])?;
    }
    Ok(writer.write(path)?)
}

/// The float tensors of a file of at most `limit` bytes.
pub(super) fn read(path: &Path, limit: u64) -> Result<NamedTensors, Error> {
    check_size(path, limit)?;
    Ok(load_safetensors(path)?.0)
}
