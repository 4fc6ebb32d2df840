//! The adapter folded into the base.

use std::hint::black_box;
use std::path::Path;

use burn::tensor::Device;
use lora_gan::HybridGenerator;
use weight_blocks::{NamedTensors, WeightSpace, module_to_named};

use super::{Task, files};
use crate::Result;

pub(super) struct Merge {
    generator: HybridGenerator,
    /// Names of the weights that the adapter changes.
    adapted: Vec<String>,
}

impl Merge {
    pub(super) fn open(dir: &Path, device: &Device) -> Result<Self> {
        let mut generator = HybridGenerator::import(&dir.join("base"), device)?;
        let adapter = files::read(&dir.join("adapter.safetensors"))?;
        generator.load_weights(&adapter)?;
        let layers = (adapter.keys()).filter_map(|name| name.strip_suffix(".lora_A.weight"));
        Ok(Self {
            adapted: layers.map(|layer| format!("{layer}.weight")).collect(),
            generator,
        })
    }
}

impl Task for Merge {
    fn run(&mut self) -> Result<()> {
        black_box(self.generator.clone().merge_adapter());
        Ok(())
    }

    fn output(&mut self) -> Result<NamedTensors> {
        let mut weights = module_to_named(&self.generator.clone().merge_adapter())?;
        weights.retain(|name, _| self.adapted.contains(name));
        Ok(weights)
    }
}
