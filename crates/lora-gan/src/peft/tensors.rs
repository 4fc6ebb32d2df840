//! `adapter_model.safetensors`.

use std::collections::BTreeMap;
use std::path::Path;

use tensor_file::{Dtype, HostTensor, NamedTensors, SafetensorsWriter, TensorFile};

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

/// A tensor of a file, and how far rounding to its type may have moved a value, relative to it.
pub(super) struct Stored {
    pub(super) tensor: HostTensor,
    pub(super) rounding: f32,
}

/// The float tensors of a file of at most `limit` bytes, by name.
pub(super) fn read(path: &Path, limit: u64) -> Result<BTreeMap<String, Stored>, Error> {
    check_size(path, limit)?;
    let file = TensorFile::open_safetensors(path)?;
    let rounding = |name: &str| match file.get(name).map(|tensor| tensor.dtype) {
        // One unit in the last place: some programs cut bits off in place of rounding.
        Some(Dtype::F16) => 1.0 / 1024.0,
        Some(Dtype::BF16) => 1.0 / 128.0,
        _ => 0.0,
    };
    let stored = |(name, tensor): (String, HostTensor)| {
        let rounding = rounding(&name);
        (name, Stored { tensor, rounding })
    };
    Ok(file.read_all()?.into_iter().map(stored).collect())
}
