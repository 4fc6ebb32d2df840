//! Predicted weights as a LoRA file.

use std::path::{Path, PathBuf};

use weight_blocks::{Layout, LoraFile, NamedTensors, WeightSpace, Zoo};
use weight_diffusion::WeightGenerator;

use super::{LoraFilesError, PEFT_WEIGHTS, template};
use crate::Error;
use crate::error::Result;

/// What programs read from a header to apply the adapter; the rest describes the training of one file or its bytes.
const KEPT_METADATA: [&str; 15] = [
    "format",
    "lora_adapter_metadata",
    "ss_network_module",
    "ss_network_dim",
    "ss_network_alpha",
    "ss_network_args",
    "ss_base_model_version",
    "ss_sd_model_name",
    "ss_sd_model_hash",
    "ss_v2",
    "modelspec.sai_model_spec",
    "modelspec.architecture",
    "modelspec.implementation",
    "modelspec.resolution",
    "modelspec.prediction_type",
];

/// Writes weights in the format of the files that a zoo was collected from: names, types, alphas and ranks, and PEFT's
/// configuration.
#[derive(Debug)]
pub struct LoraWriter {
    template: LoraFile,
    peft: bool,
    layout: Layout,
    base: String,
}

impl LoraWriter {
    /// Reads the format from the zoo.
    ///
    /// # Errors
    /// Returns [`Error::LoraFiles`] if the zoo was not collected from LoRA files, and
    /// [`Error::Weights`] if its copy of one is damaged.
    pub fn open(zoo: &Zoo) -> Result<Self> {
        let path = template::of(zoo)?;
        let mut template = LoraFile::open(&path)?;
        let metadata = template.metadata_mut();
        metadata.retain(|key, _| KEPT_METADATA.contains(&key.as_str()));
        Ok(Self {
            template,
            peft: path.file_name().is_some_and(|name| name == PEFT_WEIGHTS),
            layout: zoo.layout().clone(),
            base: zoo.base_digest().to_owned(),
        })
    }

    /// Checks that `generator`, which was read from `path`, predicts weights for the zoo's layers and base.
    ///
    /// # Errors
    /// Returns [`Error::LoraFiles`] for other layers and [`Error::OtherBase`] for another base, with `path`.
    pub fn check(&self, generator: &WeightGenerator, path: &Path) -> Result<()> {
        if generator.layout().digest() != self.layout.digest() {
            return Err(LoraFilesError::OtherGenerator.at(path));
        }
        if generator.base_digest() == self.base {
            return Ok(());
        }
        Err(Error::OtherBase {
            path: path.to_owned(),
            expected: generator.base_digest().to_owned(),
            found: self.base.clone(),
        })
    }

    /// Where a file called `name` belongs in `dir`: `DIR/NAME/adapter_model.safetensors` for PEFT, and
    /// `DIR/NAME.safetensors` for the others.
    pub fn path(&self, dir: &Path, name: &str) -> PathBuf {
        match self.peft {
            true => dir.join(name).join(PEFT_WEIGHTS),
            false => dir.join(format!("{name}.safetensors")),
        }
    }

    /// Writes `weights` to `path`, and PEFT's configuration beside it; the header names the prompt.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if the weights have other tensors, a value is too large for the
    /// file's type, or a file cannot be written.
    pub fn write(&self, path: &Path, prompt: &str, weights: &NamedTensors) -> Result<()> {
        let mut file = self.template.clone();
        file.load_weights(weights)?;
        let metadata = file.metadata_mut();
        metadata.insert("generated_for_prompt".to_owned(), prompt.to_owned());
        Ok(file.save(path)?)
    }
}
