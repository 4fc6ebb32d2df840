//! Where the files of a trained model are.

use std::path::PathBuf;

use burn::tensor::Device;
use clean_fid::{EfficientNetLite0, EfficientNetLite0Config};
use lora_gan::BaseGenerator;
use weight_blocks::Zoo;
use weight_diffusion::WeightGenerator;

use crate::error::Result;
use crate::{Error, Preset};

/// The paths of a trained model and its data. [`Assets::new`] gives those of one folder, laid out as `assets/` in the
/// repository; set single fields to take a part from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// Folder of the frozen base generator.
    pub base: PathBuf,
    /// Folder of the weight generator.
    pub weight_generator: PathBuf,
    /// Folder of the zoo of trained adapters.
    pub zoo: PathBuf,
    /// Folder of photos.
    pub photos: PathBuf,
    /// Weights of the quality metric's feature network.
    pub feature_network: PathBuf,
}

impl Assets {
    /// `DIR/base`, `DIR/weight-generator`, `DIR/zoo`, `DIR/photos` and
    /// `DIR/efficientnet-lite0/efficientnet-lite0.safetensors`. Nothing is read yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self {
            base: dir.join("base"),
            weight_generator: dir.join("weight-generator"),
            zoo: dir.join("zoo"),
            photos: dir.join("photos"),
            feature_network: dir.join("efficientnet-lite0/efficientnet-lite0.safetensors"),
        }
    }

    /// The models and photographs of `preset` in the folder: those of [`Preset::Compact`] as [`Assets::new`] has them, the base,
    /// weight generator and zoo of the others in `DIR/photo` and `DIR/paper`. Both take the photographs of `DIR/photo/photos`.
    pub fn of_preset(dir: impl Into<PathBuf>, preset: Preset) -> Self {
        let dir = dir.into();
        let shared = Self::new(&dir);
        if preset == Preset::Compact {
            return shared;
        }
        Self {
            photos: dir.join(Preset::Photo.name()).join("photos"),
            feature_network: shared.feature_network,
            ..Self::new(dir.join(preset.name()))
        }
    }

    /// The files of the base.
    pub fn base_files(&self) -> [PathBuf; 2] {
        [BaseGenerator::CONFIG_FILE, BaseGenerator::WEIGHTS_FILE].map(|name| self.base.join(name))
    }

    /// The files of the weight generator.
    pub fn weight_generator_files(&self) -> [PathBuf; 2] {
        let names = [WeightGenerator::CONFIG_FILE, WeightGenerator::WEIGHTS_FILE];
        names.map(|name| self.weight_generator.join(name))
    }

    /// Reads the frozen base onto `device`.
    ///
    /// # Errors
    /// Returns [`Error::NoBase`] if there is none, and [`Error::Network`], which names the file, if one is damaged.
    pub fn load_base(&self, device: &Device) -> Result<BaseGenerator> {
        let [config, _] = self.base_files();
        if !config.exists() {
            let path = self.base.clone();
            return Err(Error::NoBase { path });
        }
        Ok(BaseGenerator::load(&self.base, device)?)
    }

    /// Reads the feature network of the quality metric onto `device`, for images of 128×128 pixels.
    ///
    /// # Errors
    /// Returns [`Error::Metric`], which names the file, if it is missing or damaged.
    pub fn load_feature_network(&self, device: &Device) -> Result<EfficientNetLite0> {
        Ok(EfficientNetLite0Config::new()
            .with_input_size(128)
            .load(&self.feature_network, device)?)
    }

    /// Opens the zoo and checks that its adapters belong to `base`.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if the zoo cannot be read or belongs to another base.
    pub fn open_zoo(&self, base: &BaseGenerator) -> Result<Zoo> {
        let zoo = Zoo::open(&self.zoo)?;
        let layout = crate::weights::adapter_layout(base, zoo.layout().block_size())?;
        zoo.check(&layout, &base.digest)?;
        Ok(zoo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_base_is_named_with_its_folder() {
        let assets = Assets::of_preset("nowhere", Preset::Paper);
        match assets.load_base(&Device::flex()) {
            Err(error @ Error::NoBase { .. }) => {
                assert!(
                    error.to_string().starts_with("nowhere/paper/base"),
                    "{error}"
                );
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
}
