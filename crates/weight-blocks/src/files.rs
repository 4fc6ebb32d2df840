//! Files: atomic writes, digests, safetensors.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::{Error, HostTensor, NamedTensors};

/// What PyTorch's batch norms count in.
const COUNTER: &str = ".num_batches_tracked";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file's content, in hex.
///
/// # Errors
/// [`Error::Io`].
pub fn file_digest(path: &Path) -> Result<String, Error> {
    let mut file = std::fs::File::open(path).map_err(|source| Error::io(path, source))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer)
            .map_err(|source| Error::io(path, source))?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Writes `bytes` to a temporary file beside `path`, syncs it, and renames it: after a crash there
/// is the old file or the new one, never half of one. Creates the folder; removes temporary files
/// that killed processes left there.
///
/// # Errors
/// [`Error::Io`] naming `path`.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    whole_file::write(path, bytes).map_err(|source| Error::io(path, source))
}

/// Writes tensors as 32-bit safetensors, atomically; `metadata` goes into the header. The same
/// tensors and metadata give the same bytes where `metadata` has at most one entry (safetensors
/// keeps metadata in a hash map).
///
/// # Errors
/// [`Error::Io`], or [`Error::ValueCount`] for a tensor whose values do not fill its shape.
pub fn save_safetensors(
    path: &Path,
    tensors: &NamedTensors,
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    write_atomic(path, &to_bytes(path, tensors, metadata, Dtype::F32)?)
}

/// Safetensors of F32 or, for any other `dtype`, F16.
pub(crate) fn to_bytes(
    path: &Path,
    tensors: &NamedTensors,
    metadata: &BTreeMap<String, String>,
    dtype: Dtype,
) -> Result<Vec<u8>, Error> {
    let half = dtype != Dtype::F32;
    let dtype = if half { Dtype::F16 } else { Dtype::F32 };
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|tensor| {
            let data = tensor.data.iter();
            if half {
                data.flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect()
            } else {
                data.flat_map(|v| v.to_le_bytes()).collect()
            }
        })
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, tensor), bytes) in tensors.iter().zip(&bytes) {
        let view =
            TensorView::new(dtype, tensor.shape.clone(), bytes).map_err(|_| Error::ValueCount {
                shape: tensor.shape.clone(),
                values: tensor.data.len(),
            })?;
        views.push((name.as_str(), view));
    }
    let metadata: HashMap<String, String> = metadata.clone().into_iter().collect();
    let metadata = (!metadata.is_empty()).then_some(metadata);
    safetensors::serialize(views, metadata).map_err(|error| Error::Safetensors {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

/// Reads all tensors of a safetensors file (F32, F16 or BF16) and the metadata of its header. The
/// integers in which PyTorch's batch norms count their batches (`*.num_batches_tracked`) are passed
/// over.
///
/// # Errors
/// [`Error::Io`], [`Error::Safetensors`] for a damaged or truncated file, [`Error::Dtype`],
/// [`Error::NonFinite`].
pub fn load_safetensors(path: &Path) -> Result<(NamedTensors, BTreeMap<String, String>), Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    from_bytes(path, &bytes)
}

pub(crate) fn from_bytes(
    path: &Path,
    bytes: &[u8],
) -> Result<(NamedTensors, BTreeMap<String, String>), Error> {
    let damaged = |error: safetensors::SafeTensorError| Error::Safetensors {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut tensors = NamedTensors::new();
    for (name, view) in file.iter() {
        if view.dtype() == Dtype::I64 && name.ends_with(COUNTER) {
            continue;
        }
        let data = floats(view.dtype(), view.data()).ok_or_else(|| Error::Dtype {
            path: path.to_owned(),
            name: name.to_owned(),
            dtype: format!("{:?}", view.dtype()),
        })?;
        check_finite(path, name, &data)?;
        tensors.insert(
            name.to_owned(),
            HostTensor::new(view.shape().to_vec(), data)?,
        );
    }
    Ok((tensors, metadata.into_iter().collect()))
}

pub(crate) fn check_finite(path: &Path, name: &str, data: &[f32]) -> Result<(), Error> {
    match data.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NonFinite {
            path: path.to_owned(),
            name: name.to_owned(),
            index,
            value: data[index],
        }),
    }
}

pub(crate) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.chunks_exact(2).map(|c| [c[0], c[1]]);
    Some(match dtype {
        Dtype::F32 => bytes
            .chunks_exact(4)
            .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
            .collect(),
        Dtype::F16 => pairs().map(|c| f16::from_le_bytes(c).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|c| bf16::from_le_bytes(c).to_f32()).collect(),
        _ => return None,
    })
}
