//! Stand-ins for `tensor-file`, until no crate of this workspace calls them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Error, NamedTensors};

#[doc(hidden)]
pub fn file_digest(path: &Path) -> Result<String, Error> {
    Ok(tensor_file::digest::file_sha256(path)?)
}

#[doc(hidden)]
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    Ok(tensor_file::atomic::write(path, bytes)?)
}

#[doc(hidden)]
pub fn save_safetensors(
    path: &Path,
    tensors: &NamedTensors,
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    Ok(tensor_file::save_safetensors(path, tensors, metadata)?)
}

#[doc(hidden)]
pub fn load_safetensors(path: &Path) -> Result<(NamedTensors, BTreeMap<String, String>), Error> {
    Ok(tensor_file::load_safetensors(path)?)
}
