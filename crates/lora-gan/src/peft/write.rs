//! An adapter as a PEFT folder.

use std::path::Path;

use tensor_file::{HostTensor, NamedTensors};
use weight_blocks::{LayerKind, WeightSpace, module_to_named};

use super::config::{PeftConfig, common};
use super::tensors::{self, COUNTER};
use super::{BASE, CONFIG, PREFIX, PeftError, TRANSPOSED, WEIGHTS};
use crate::error::Error;
use crate::files::write_json;
use crate::generator::HybridGenerator;

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
        let adapter = self.read_weights()?;
        let merged = module_to_named(&self.clone().merge_adapter())?;
        let lora = &self.config().lora;
        let mut weights = NamedTensors::new();
        let mut transposed = NamedTensors::new();
        let (mut ranks, mut alphas) = (Vec::new(), Vec::new());
        let (mut targets, mut saved, mut counters) = (Vec::new(), Vec::new(), Vec::new());
        for layer in self.layers() {
            let Some([down, up]) = layer.factors() else {
                continue;
            };
            let module = layer.spec.torch_name();
            ranks.push((module.clone(), down[0]));
            alphas.push((module.clone(), lora.alpha_of(layer.spec.name, down[0])));
            let whole = layer.spec.kind == LayerKind::ConvTranspose;
            for (factor, shape) in [("lora_A", &down), ("lora_B", &up)] {
                let tensor = &adapter[&format!("{}.{factor}.weight", layer.spec.name)];
                let tensor = HostTensor::new(shape.clone(), tensor.data.clone())?;
                let name = format!("{PREFIX}{module}.{factor}.weight");
                let file = if whole { &mut transposed } else { &mut weights };
                file.insert(name, tensor);
            }
            if whole {
                for part in ["weight", "bias"] {
                    let tensor = merged[&format!("{}.{part}", layer.spec.name)].clone();
                    weights.insert(format!("{PREFIX}{module}.{part}"), tensor);
                }
                saved.push(module);
            } else {
                targets.push(module);
            }
            for norm in layer.spec.norms() {
                // PEFT reads a module that it saves whole, so the base's statistics go along.
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    if let Some(tensor) = merged.get(&format!("{norm}.{part}")) {
                        weights.insert(format!("{PREFIX}{norm}.{part}"), tensor.clone());
                    }
                }
                if merged.contains_key(&format!("{norm}.running_mean")) {
                    counters.push(format!("{PREFIX}{norm}{COUNTER}"));
                }
                saved.push(norm);
            }
        }
        let path = dir.join(CONFIG);
        let patterns = common(&ranks).zip(common(&alphas));
        let Some(((r, rank_pattern), (alpha, alpha_pattern))) =
            patterns.filter(|_| !targets.is_empty())
        else {
            return Err(Error::Peft {
                path,
                source: PeftError::NothingToAdapt,
            });
        };
        let config = PeftConfig {
            peft_type: "LORA".into(),
            task_type: None,
            inference_mode: true,
            base_model_name_or_path: base_digest.map(|digest| format!("{BASE}{digest}")),
            r,
            lora_alpha: alpha,
            lora_dropout: lora.dropout,
            use_rslora: lora.use_rslora,
            use_dora: false,
            lora_bias: false,
            bias: "none".into(),
            fan_in_fan_out: false,
            target_modules: targets.into(),
            modules_to_save: Some(saved),
            rank_pattern: Some(rank_pattern),
            alpha_pattern: Some(alpha_pattern),
        };
        tensors::write(&dir.join(WEIGHTS), &weights, &counters)?;
        tensors::write(&dir.join(TRANSPOSED), &transposed, &[])?;
        write_json(&path, &config)
    }
}
