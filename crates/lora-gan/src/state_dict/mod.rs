//! PyTorch state dicts of the reference implementations, read and written under their own names.

#[cfg(feature = "pytorch")]
mod pth;
mod rename;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use weight_blocks::{
    HostTensor, NamedTensors, load_named, load_safetensors, module_to_named, save_safetensors,
};

use crate::error::Error;
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
/// Returns [`Error::Weights`] if the file cannot be written.
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
/// Returns [`Error::StateDict`] if the file is not a state dict or is truncated, [`Error::StateTensor`] if a
/// tensor is missing, unknown, or of another shape or type, and [`Error::Weights`] if a value is NaN or
/// infinite; each names the file.
pub fn load<M: Module>(module: M, names: &[LayerNames], path: &Path) -> Result<M, Error> {
    let expected = to_torch(module_to_named(&module)?, names);
    let tensors = read(path, &expected)?;
    Ok(load_named(module, &from_torch(tensors, names))?)
}

/// Tensors of the file at `path`, exactly those of `expected` in name and shape.
fn read(path: &Path, expected: &NamedTensors) -> Result<NamedTensors, Error> {
    let size = std::fs::metadata(path)
        .map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?
        .len();
    let values: usize = expected.values().map(|tensor| tensor.data.len()).sum();
    // Eight bytes a value, and room for names and for what is skipped.
    let limit = 8 * values as u64 + (16 << 20);
    if size > limit {
        return Err(Error::StateDict {
            path: path.to_owned(),
            why: format!("{size} bytes, where this network needs at most {limit}"),
        });
    }
    let is_safetensors = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    if is_safetensors {
        let (tensors, _) = load_safetensors(path)?;
        let shapes = tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()));
        let wanted = check(path, expected, shapes)?;
        let mut tensors = tensors;
        return Ok(wanted
            .into_iter()
            .filter_map(|(name, source)| Some((name, tensors.remove(&source)?)))
            .collect());
    }
    #[cfg(feature = "pytorch")]
    return pth::read(path, expected);
    #[cfg(not(feature = "pytorch"))]
    Err(Error::StateDict {
        path: path.to_owned(),
        why: "not `.safetensors`, and this build has no feature `pytorch`".into(),
    })
}

/// Pairs each expected name with the file's; refuses missing, unknown and misshapen tensors.
fn check<'t>(
    path: &Path,
    expected: &NamedTensors,
    shapes: impl Iterator<Item = (&'t str, &'t [usize])>,
) -> Result<BTreeMap<String, String>, Error> {
    let fail = |name: &str, why: String| Error::StateTensor {
        path: path.to_owned(),
        name: name.to_owned(),
        why,
    };
    let mut found = BTreeMap::new();
    for (source, shape) in shapes {
        // `nn.DataParallel` puts `module.` before every name.
        let name = source.strip_prefix("module.").unwrap_or(source);
        match expected.get(name) {
            Some(tensor) if tensor.shape == shape => {
                found.insert(name.to_owned(), source.to_owned());
            }
            Some(HostTensor { shape: needed, .. }) => {
                return Err(fail(
                    name,
                    format!(
                        "has shape {shape:?}, the network needs {needed:?}; set the configuration that it was trained with"
                    ),
                ));
            }
            None if skipped(name, expected) => {}
            None => {
                return Err(fail(
                    name,
                    "is not one of the network's; is its configuration another one (number of blocks, norm, dropout, size)?".into(),
                ));
            }
        }
    }
    match expected.keys().find(|name| !found.contains_key(*name)) {
        None => Ok(found),
        Some(name) => Err(fail(
            name,
            "is missing; is its configuration another one (number of blocks, norm, dropout, size)?"
                .into(),
        )),
    }
}

/// Counters of batch norms, and statistics of instance norms, which are not used.
fn skipped(name: &str, expected: &NamedTensors) -> bool {
    match name.rsplit_once('.') {
        Some((_, "num_batches_tracked")) => true,
        Some((_, "running_mean" | "running_var")) => {
            !expected.keys().any(|name| name.ends_with("running_mean"))
        }
        _ => false,
    }
}
