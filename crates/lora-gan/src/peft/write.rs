//! An adapter as a PEFT folder.

use std::path::Path;

use tensor_file::{HostTensor, NamedTensors};
use weight_blocks::{LayerKind, WeightSpace, module_to_named};

use super::config::{PeftConfig, common};
use super::tensors::{self, COUNTER};
use super::{BASE, CONFIG, PREFIX, PeftError, TRANSPOSED, WEIGHTS};
use crate::adapter::Layer;
use crate::error::Error;
use crate::files::write_json;
use crate::generator::HybridGenerator;
use crate::layers::LoraConfig;

impl HybridGenerator {
    /// Writes the adapter as a folder that `PeftModel.from_pretrained` loads onto the PyTorch module of
    /// [`HybridGenerator::export`]ed base weights: `adapter_config.json` and
    /// `adapter_model.safetensors`. `base_digest` is recorded, and checked when the folder is read.
    ///
    /// γ and β of the norms are `modules_to_save`. PEFT has no LoRA for transposed convolutions: `up1`,
    /// `up2` and `up3` are written merged as `modules_to_save`, and their factors, for
    /// [`HybridGenerator::load_peft`], into `lora_transposed.safetensors`, which PEFT ignores.
    ///
    /// # Errors
    /// Returns [`Error::Peft`] if no layer is adapted that PEFT has LoRA for, and [`Error::File`] if a file cannot be
    /// written.
    pub fn save_peft(&self, dir: &Path, base_digest: Option<&str>) -> Result<(), Error> {
        let lora = &self.config().lora;
        let adapter = self.read_weights()?;
        let merged = module_to_named(&self.clone().merge_adapter())?;
        let mut folder = Folder::default();
        for layer in self.layers() {
            if let Some(shapes) = layer.factors() {
                let alpha = lora.alpha_of(layer.spec.name, shapes[0][0]);
                folder.add_factors(&layer, shapes, alpha, &adapter)?;
                folder.add_modules(&layer, &merged);
            }
        }
        let path = dir.join(CONFIG);
        let Some(config) = folder.config(lora, base_digest) else {
            return Err(Error::Peft {
                path,
                source: PeftError::NothingToAdapt,
            });
        };
        tensors::write(&dir.join(WEIGHTS), &folder.weights, &folder.counters)?;
        tensors::write(&dir.join(TRANSPOSED), &folder.transposed, &[])?;
        write_json(&path, &config)
    }
}

/// What goes into the folder.
#[derive(Default)]
struct Folder {
    weights: NamedTensors,
    counters: Vec<String>,
    /// Factors of layers that PEFT has no LoRA for.
    transposed: NamedTensors,
    /// Modules with LoRA.
    targets: Vec<String>,
    /// Modules that are saved whole.
    saved: Vec<String>,
    ranks: Vec<(String, usize)>,
    alphas: Vec<(String, f64)>,
}

impl Folder {
    fn add_factors(
        &mut self,
        layer: &Layer<'_>,
        [down, up]: [Vec<usize>; 2],
        alpha: f64,
        adapter: &NamedTensors,
    ) -> Result<(), Error> {
        let module = layer.spec.torch_name();
        self.ranks.push((module.clone(), down[0]));
        self.alphas.push((module.clone(), alpha));
        let file = if is_whole(layer) {
            &mut self.transposed
        } else {
            &mut self.weights
        };
        for (factor, shape) in [("lora_A", down), ("lora_B", up)] {
            let tensor = &adapter[&format!("{}.{factor}.weight", layer.spec.name)];
            let tensor = HostTensor::new(shape, tensor.data.clone())?;
            file.insert(format!("{PREFIX}{module}.{factor}.weight"), tensor);
        }
        Ok(())
    }

    /// Adds the layer to PEFT's targets, or whole, and the norms that follow whole.
    fn add_modules(&mut self, layer: &Layer<'_>, merged: &NamedTensors) {
        let module = layer.spec.torch_name();
        if is_whole(layer) {
            for part in ["weight", "bias"] {
                let tensor = merged[&format!("{}.{part}", layer.spec.name)].clone();
                self.weights
                    .insert(format!("{PREFIX}{module}.{part}"), tensor);
            }
            self.saved.push(module);
        } else {
            self.targets.push(module);
        }
        for norm in layer.spec.norms() {
            // PEFT reads a module that it saves whole, so the base's statistics go along.
            for part in ["weight", "bias", "running_mean", "running_var"] {
                if let Some(tensor) = merged.get(&format!("{norm}.{part}")) {
                    let name = format!("{PREFIX}{norm}.{part}");
                    self.weights.insert(name, tensor.clone());
                }
            }
            if merged.contains_key(&format!("{norm}.running_mean")) {
                self.counters.push(format!("{PREFIX}{norm}{COUNTER}"));
            }
            self.saved.push(norm);
        }
    }

    /// `None` if PEFT would have nothing to adapt.
    fn config(&mut self, lora: &LoraConfig, base_digest: Option<&str>) -> Option<PeftConfig> {
        if self.targets.is_empty() {
            return None;
        }
        let (r, rank_pattern) = common(&self.ranks)?;
        let (lora_alpha, alpha_pattern) = common(&self.alphas)?;
        Some(PeftConfig {
            peft_type: "LORA".into(),
            task_type: None,
            inference_mode: true,
            base_model_name_or_path: base_digest.map(|digest| format!("{BASE}{digest}")),
            r,
            lora_alpha,
            lora_dropout: lora.dropout,
            use_rslora: lora.use_rslora,
            use_dora: false,
            lora_bias: false,
            bias: "none".into(),
            fan_in_fan_out: false,
            target_modules: std::mem::take(&mut self.targets),
            modules_to_save: std::mem::take(&mut self.saved),
            rank_pattern,
            alpha_pattern,
        })
    }
}

/// Whether PEFT has no LoRA for the layer, so that it is saved whole.
fn is_whole(layer: &Layer<'_>) -> bool {
    layer.spec.kind == LayerKind::ConvTranspose
}
