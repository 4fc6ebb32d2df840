//! All tensors of a file at once.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;

use crate::{Error, HostTensor, NamedTensors, SafetensorsWriter, TensorFile};

/// What PyTorch's batch norms count their batches in.
const COUNTER: &str = ".num_batches_tracked";

impl TensorFile<'_> {
    /// All tensors, which must be floats and finite. The integers in which PyTorch's batch norms count their batches
    /// (`*.num_batches_tracked`) are left out.
    ///
    /// # Errors
    /// As [`TensorFile::read_finite`].
    pub fn read_all(&self) -> Result<NamedTensors, Error> {
        self.tensors()
            .filter(|tensor| !(tensor.dtype == Dtype::I64 && tensor.name.ends_with(COUNTER)))
            .map(|tensor| {
                let data = self.read_finite(tensor.name)?;
                let host = HostTensor::new(tensor.shape.to_vec(), data)?;
                Ok((tensor.name.to_owned(), host))
            })
            .collect()
    }
}

/// Reads all tensors of a safetensors file ([`TensorFile::read_all`]) and the metadata of its header.
///
/// # Errors
/// Those of [`TensorFile::open_safetensors`] and [`TensorFile::read_all`].
pub fn load_safetensors(
    path: impl AsRef<Path>,
) -> Result<(NamedTensors, BTreeMap<String, String>), Error> {
    let file = TensorFile::open_safetensors(path)?;
    Ok((file.read_all()?, file.metadata().clone()))
}

/// Writes tensors as 32-bit safetensors, atomically; `metadata` goes into the header. The same tensors and metadata
/// give the same bytes.
///
/// # Errors
/// Those of [`SafetensorsWriter::f32`] and [`SafetensorsWriter::write`].
pub fn save_safetensors(
    path: impl AsRef<Path>,
    tensors: &NamedTensors,
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let mut writer = SafetensorsWriter::new();
    for (key, value) in metadata {
        writer.metadata(key, value);
    }
    for (name, tensor) in tensors {
        writer.f32(name, &tensor.shape, &tensor.data)?;
    }
    writer.write(path)
}
