//! Writing an adapted base for other frameworks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module;
use finetune::images_to_tensor;
use image::RgbImage;
use lora_gan::{BaseGenerator, Pass};
use tensor_file::save_safetensors;
use weight_blocks::{HostTensor, NamedTensors};

use crate::error::Result;
use crate::weights::adapt;

/// The files and folders that [`export_pytorch`] writes into `dir`.
pub fn exported_files(dir: &Path) -> [PathBuf; 5] {
    ["config.json", "model.safetensors", CHECK, BASE, PEFT].map(|name| dir.join(name))
}

const CHECK: &str = "check.safetensors";
const BASE: &str = "base";
const PEFT: &str = "peft";

/// Writes `base` with `adapter` for PyTorch: merged into `dir`, the base alone into `dir/base`, the adapter in PEFT's
/// format into `dir/peft`, and `dir/check.safetensors` with `photo` and its edit to compare with. `tools/load_generator.py`
/// in the repository reads them.
///
/// # Errors
/// Returns [`Error::Weights`](crate::Error::Weights) if the adapter does not fit the base,
/// [`Error::FineTune`](crate::Error::FineTune) if the photo has another size than the base takes, and
/// [`Error::Network`](crate::Error::Network) or [`Error::File`](crate::Error::File) if a file cannot be written.
pub fn export_pytorch(
    base: &BaseGenerator,
    adapter: &NamedTensors,
    photo: &RgbImage,
    dir: &Path,
) -> Result<()> {
    base.generator.export(&dir.join(BASE))?;
    let network = adapt(base, adapter)?;
    network.export(dir)?;
    export_peft(base, adapter, &dir.join(PEFT))?;

    let device = network.devices().into_iter().next().unwrap_or_default();
    let photo = images_to_tensor(&[photo], base.config.image_size, &device)?;
    let edited = network.forward(photo.clone(), None, Pass::Eval)?;
    let mut check = NamedTensors::new();
    for (name, image) in [("photo", photo), ("edited", edited)] {
        let shape = image.dims().to_vec();
        let data = image.into_data().iter::<f32>().collect();
        check.insert(name.into(), HostTensor::new(shape, data)?);
    }
    save_safetensors(dir.join(CHECK), &check, &BTreeMap::new())?;
    Ok(())
}

/// Writes `adapter` alone as a folder that PEFT loads onto the exported `base`
/// ([`HybridGenerator::save_peft`](lora_gan::HybridGenerator::save_peft)).
///
/// # Errors
/// Returns [`Error::Weights`](crate::Error::Weights) if the adapter does not fit the base, and
/// [`Error::Network`](crate::Error::Network) if a file cannot be written.
pub fn export_peft(base: &BaseGenerator, adapter: &NamedTensors, dir: &Path) -> Result<()> {
    Ok(adapt(base, adapter)?.save_peft(dir, Some(&base.digest))?)
}
