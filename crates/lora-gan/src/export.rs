//! The merged generator as plain weights, under PyTorch's names.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files::{check_holds, create_dir, read_json, write_json};
use crate::generator::{GeneratorConfig, HybridGenerator, LAYERS};
use crate::state_dict::{self, LayerNames};

const FORMAT: &str = "lora-gan/hybrid-generator";
const VERSION: u32 = 1;
const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: String,
    version: u32,
    config: GeneratorConfig,
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl HybridGenerator {
    /// Writes the network with its adapter merged in as `model.safetensors` (PyTorch's names and
    /// layouts) and `config.json` into the folder `dir`. `tools/load_generator.py` loads the folder
    /// into a plain `torch.nn.Module` that gives the same images.
    ///
    /// A convolution and its norm are called `NAME.conv` and `NAME.norm` there; all other names are the same.
    /// Batch norms remain layers of their own: run the module in `eval` mode.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the folder or a file cannot be written, and [`Error::Weights`] if the values cannot be
    /// read back from the device.
    pub fn export(&self, dir: &Path) -> Result<(), Error> {
        let network = self.clone().merge_adapter();
        create_dir(dir)?;
        state_dict::save(&network, &torch_names(), &dir.join(WEIGHTS))?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            config: self.config().clone(),
        };
        write_json(&dir.join(CONFIG), &manifest)
    }

    /// Reads a folder that [`HybridGenerator::export`] wrote, or PyTorch under the same names, as a
    /// base, whose LoRA is the configuration's initial one.
    ///
    /// # Errors
    /// Returns [`Error::Json`], [`Error::Format`] or [`Error::Version`] if `config.json` is not such a configuration,
    /// [`Error::Config`], [`Error::UnknownLayer`] or [`Error::RankTooLarge`] if nothing can be built from it,
    /// [`Error::TooFewBytes`] if the weights are far fewer than it describes, and the errors of [`state_dict::load`].
    pub fn import(dir: &Path, device: &Device) -> Result<Self, Error> {
        let path = dir.join(CONFIG);
        let Head { format, version } = read_json(&path)?;
        if format != FORMAT {
            return Err(Error::Format {
                path,
                found: format,
                expected: FORMAT,
            });
        }
        if version != VERSION {
            return Err(Error::Version {
                path,
                found: version,
                expected: VERSION,
            });
        }
        let Manifest { config, .. } = read_json(&path)?;
        config.validate()?;
        let path = dir.join(WEIGHTS);
        check_holds(&path, config.base_values())?;
        let bare = Self::new(&config, 0, device)?.without_lora();
        state_dict::load(bare, &torch_names(), path)?.with_lora(&config.lora, config.lora_seed)
    }
}

/// The names of every convolution and its norm in PyTorch.
fn torch_names() -> Vec<LayerNames> {
    (LAYERS.iter().filter(|layer| layer.is_conv()))
        .map(|layer| LayerNames {
            layer: layer.name.to_owned(),
            conv: layer.torch_name(),
            norm: layer.batch_norm_name(),
        })
        .collect()
}
