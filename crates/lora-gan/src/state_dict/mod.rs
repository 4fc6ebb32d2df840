//! PyTorch state dicts of the reference implementations, read and written under their own names.

mod parts;
mod rename;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use tensor_file::{HostTensor, NamedTensors, TensorFile, save_safetensors};
use weight_blocks::{load_named, module_to_named};

use crate::error::Error;
use crate::files::check_size;
pub use parts::StateDictFile;
use parts::choose;
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
/// state dict that `torch.save` wrote, zipped or from before PyTorch 1.6. They are told apart by their content, whatever the
/// file's name. It must hold exactly the module's tensors.
///
/// A file of several objects (`netG` and `netD`, `params` and `params_ema`, weights beside an optimiser's state) is read as
/// well: the object that is named with [`StateDictFile::part`], or else the only one that fits. What `DataParallel`,
/// `torch.compile` and other wrappers put into names does not count. Counters (`num_batches_tracked`, `n_averaged`) and
/// running statistics of instance norms are skipped.
///
/// ```no_run
/// use burn::tensor::Device;
/// use lora_gan::state_dict::StateDictFile;
/// use lora_gan::{PatchGan, PatchGanConfig};
///
/// # fn main() -> Result<(), lora_gan::Error> {
/// let critic = PatchGan::new(&PatchGanConfig::compact(), 0, &Device::flex())?;
/// let critic = critic.load_state_dict(StateDictFile::new("latest.pth").part("netD"))?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Returns [`Error::File`] if the file cannot be read, is damaged, is far too large for the network, holds a value
/// that is NaN or infinite, or does not have the part that is named; [`Error::SeveralStateDicts`] or
/// [`Error::NoStateDict`] if no part is named and the file holds several, or none; [`Error::MissingTensor`],
/// [`Error::UnknownTensor`] or [`Error::TensorShape`] if its tensors are not the network's; and [`Error::NoPytorch`] for
/// PyTorch's files without the feature `pytorch`.
pub fn load<M: Module>(
    module: M,
    names: &[LayerNames],
    file: impl Into<StateDictFile>,
) -> Result<M, Error> {
    let expected = to_torch(module_to_named(&module)?, names);
    let tensors = read(&file.into(), &expected)?;
    Ok(load_named(module, &from_torch(tensors, names))?)
}

/// The tensors of a file, which must be those of `expected` in name and shape. Names and shapes are
/// compared before any tensor is read.
fn read(place: &StateDictFile, expected: &NamedTensors) -> Result<NamedTensors, Error> {
    let values: usize = expected.values().map(|tensor| tensor.data.len()).sum();
    // Eight bytes a value, for the network and the objects that are saved with it (its average, a discriminator, both
    // optimisers' moments); room for names and for what is skipped.
    check_size(&place.path, 64 * values as u64 + (16 << 20))?;
    let file = open(&place.path)?;
    let mut tensors = NamedTensors::new();
    for (name, source) in choose(&file, place.part.as_deref(), expected)? {
        let data = file.read_finite(&source)?;
        let shape = expected[&name].shape.clone();
        tensors.insert(name, HostTensor::new(shape, data)?);
    }
    Ok(tensors)
}

fn open(path: &Path) -> Result<TensorFile<'static>, Error> {
    let opened = TensorFile::open(path);
    // The first bytes of PyTorch's files, ZIP archives and pickles, make no length that a safetensors header may have.
    #[cfg(not(feature = "pytorch"))]
    if let Err(tensor_file::Error::Safetensors {
        source: tensor_file::HeaderError::TooLong { .. },
        ..
    }) = &opened
    {
        return Err(Error::NoPytorch {
            path: path.to_owned(),
        });
    }
    Ok(opened?)
}

/// Counters of batch norms, and statistics of instance norms, which are not used.
fn is_skipped(name: &str, expected: &NamedTensors) -> bool {
    match name.rsplit_once('.') {
        None => name == "n_averaged",
        Some((_, "num_batches_tracked")) => true,
        Some((_, "running_mean" | "running_var")) => {
            !expected.keys().any(|name| name.ends_with("running_mean"))
        }
        _ => false,
    }
}
