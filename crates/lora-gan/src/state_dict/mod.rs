//! PyTorch state dicts of the reference implementations, read and written under their own names.

mod rename;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use tensor_file::{HostTensor, NamedTensors, TensorFile, save_safetensors};
use weight_blocks::{load_named, module_to_named};

use crate::error::Error;
use crate::files::check_size;
use rename::{from_torch, to_torch};

/// The names of one convolution and of the norm that follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerNames {
    /// The layer in this crate's module; its norm is `{layer}.norm`.
    pub layer: String,
    /// The convolution in the state dict.
    pub conv: String,
    /// The norm in the state dict.
    pub norm: String,
}

/// Writes a module as safetensors under the state dict's names. Tensors of layers that are not in `names`
/// keep theirs.
///
/// # Errors
/// Returns [`Error::File`] if the file cannot be written.
pub fn save<M: Module>(module: &M, names: &[LayerNames], path: &Path) -> Result<(), Error> {
    let tensors = to_torch(module_to_named(module)?, names);
    Ok(save_safetensors(path, &tensors, &BTreeMap::new())?)
}

/// Replaces the weights of `module` with those of a file: safetensors, or, with the feature `pytorch`, a
/// `.pth` state dict, zipped or from before PyTorch 1.6. The file must hold exactly the module's tensors.
///
/// Counters of batch norms (`num_batches_tracked`) and running statistics of instance norms are skipped.
///
/// # Errors
/// Returns [`Error::File`] if the file cannot be read, is damaged, is far too large for the network, or holds a value
/// that is NaN or infinite; [`Error::MissingTensor`], [`Error::UnknownTensor`] or [`Error::TensorShape`] if its tensors
/// are not the network's; and [`Error::NoPytorch`] for a `.pth` file without the feature `pytorch`.
pub fn load<M: Module>(module: M, names: &[LayerNames], path: &Path) -> Result<M, Error> {
    let expected = to_torch(module_to_named(&module)?, names);
    let tensors = read(path, &expected)?;
    Ok(load_named(module, &from_torch(tensors, names))?)
}

/// The tensors of the file at `path`, which must be those of `expected` in name and shape. Names and shapes are
/// compared before any tensor is read.
fn read(path: &Path, expected: &NamedTensors) -> Result<NamedTensors, Error> {
    let values: usize = expected.values().map(|tensor| tensor.data.len()).sum();
    // Eight bytes a value, and room for names and for what is skipped.
    check_size(path, 8 * values as u64 + (16 << 20))?;
    let file = open(path)?;
    let mut tensors = NamedTensors::new();
    for (name, source) in match_names(&file, expected)? {
        let data = file.read_finite(&source)?;
        let shape = expected[&name].shape.clone();
        tensors.insert(name, HostTensor::new(shape, data)?);
    }
    Ok(tensors)
}

fn open(path: &Path) -> Result<TensorFile<'static>, Error> {
    let is_safetensors = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    if is_safetensors {
        return Ok(TensorFile::open_safetensors(path)?);
    }
    #[cfg(feature = "pytorch")]
    return Ok(TensorFile::open_pytorch(path)?);
    #[cfg(not(feature = "pytorch"))]
    Err(Error::NoPytorch {
        path: path.to_owned(),
    })
}

/// The file's name of each expected tensor; refuses missing, unknown and misshapen ones.
fn match_names(
    file: &TensorFile<'_>,
    expected: &NamedTensors,
) -> Result<BTreeMap<String, String>, Error> {
    let path = || file.path().to_owned();
    let mut found = BTreeMap::new();
    for tensor in file.tensors() {
        // `nn.DataParallel` puts `module.` before every name.
        let name = tensor.name.strip_prefix("module.").unwrap_or(tensor.name);
        match expected.get(name) {
            Some(own) if own.shape == tensor.shape => {
                found.insert(name.to_owned(), tensor.name.to_owned());
            }
            Some(own) => {
                return Err(Error::TensorShape {
                    path: path(),
                    name: name.to_owned(),
                    found: tensor.shape.to_vec(),
                    expected: own.shape.clone(),
                });
            }
            None if is_skipped(name, expected) => {}
            None => {
                return Err(Error::UnknownTensor {
                    path: path(),
                    name: name.to_owned(),
                });
            }
        }
    }
    match expected.keys().find(|name| !found.contains_key(*name)) {
        None => Ok(found),
        Some(name) => Err(Error::MissingTensor {
            path: path(),
            name: name.clone(),
        }),
    }
}

/// Counters of batch norms, and statistics of instance norms, which are not used.
fn is_skipped(name: &str, expected: &NamedTensors) -> bool {
    match name.rsplit_once('.') {
        Some((_, "num_batches_tracked")) => true,
        Some((_, "running_mean" | "running_var")) => {
            !expected.keys().any(|name| name.ends_with("running_mean"))
        }
        _ => false,
    }
}
