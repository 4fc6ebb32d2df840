//! What a LoRA file says of its layers' scales.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::layers::Layer;
use crate::NamedTensors;
use crate::error::LoraFileError;
use crate::peft::AdapterConfig;

/// Ends the name of a layer's alpha in files of sd-scripts and diffusers.
pub(super) const ALPHA: &str = ".alpha";
/// The name of PEFT's weights.
const WEIGHTS: &str = "adapter_model.safetensors";
/// What PEFT puts before every name.
const PREFIX: &str = "base_model.model.";
/// Where diffusers keeps PEFT's configurations in the header.
const HEADER_CONFIGS: &str = "lora_adapter_metadata";

/// Whether PEFT wrote the file, so that its scales are in `adapter_config.json` beside it.
pub(super) fn is_peft(path: &Path, layers: &[Layer]) -> bool {
    path.file_name().is_some_and(|name| name == WEIGHTS)
        || layers.iter().any(|l| l.group.name.starts_with(PREFIX))
}

/// The factor of each layer's product `up · down`, by the name of its up factor.
pub(super) fn scales(
    layers: &[Layer],
    alphas: &NamedTensors,
    metadata: &BTreeMap<String, String>,
    peft: Option<&AdapterConfig>,
) -> Result<BTreeMap<String, f64>, LoraFileError> {
    let known = |name: &str| layers.iter().any(|layer| layer.group.name == name);
    for name in alphas.keys() {
        if peft.is_some() {
            return Err(LoraFileError::TwoScales { name: name.clone() });
        }
        if !name.strip_suffix(ALPHA).is_some_and(known) {
            return Err(LoraFileError::AlphaAlone { name: name.clone() });
        }
    }
    let components = components(metadata)?;
    let mut scales = BTreeMap::new();
    for layer in layers {
        let name = &layer.group.name;
        let scale = if let Some(config) = peft {
            let module = name.strip_prefix(PREFIX).unwrap_or(name);
            config.scale(module, layer.rank)?
        } else if let Some(alpha) = alphas.get(&format!("{name}{ALPHA}")) {
            stated(&format!("{name}{ALPHA}"), &alpha.data)? / layer.rank as f64
        } else if let Some((config, module)) = component_of(&components, name) {
            config.scale(module, layer.rank)?
        } else {
            unstated(layer, metadata)?
        };
        if scale == 0.0 || !scale.is_finite() {
            return Err(LoraFileError::Scale {
                layer: name.clone(),
                scale,
            });
        }
        scales.insert(layer.up.clone(), scale);
    }
    Ok(scales)
}

/// What the header names as the base: the model specification's architecture, or the base model's version of sd-scripts.
pub(super) fn base(metadata: &BTreeMap<String, String>) -> Option<String> {
    let keys = ["modelspec.architecture", "ss_base_model_version"];
    keys.iter().find_map(|key| metadata.get(*key)).cloned()
}

/// The value of an alpha.
fn stated(name: &str, values: &[f32]) -> Result<f64, LoraFileError> {
    let name = || name.to_owned();
    match values {
        [0.0] => Err(LoraFileError::ZeroAlpha { name: name() }),
        [alpha] => Ok(f64::from(*alpha)),
        _ => Err(LoraFileError::AlphaValues {
            name: name(),
            values: values.len(),
        }),
    }
}

/// The scale of a layer without an alpha: 1 in sd-scripts, diffusers and ComfyUI, unless the header of sd-scripts says that
/// there should be an alpha.
fn unstated(layer: &Layer, metadata: &BTreeMap<String, String>) -> Result<f64, LoraFileError> {
    let number = |key: &str| metadata.get(key)?.parse::<f64>().ok();
    let dim = number("ss_network_dim").unwrap_or(layer.rank as f64);
    match number("ss_network_alpha") {
        Some(alpha) if alpha != 0.0 && alpha != dim => Err(LoraFileError::HeaderAlpha {
            layer: layer.group.name.clone(),
            alpha,
            dim,
        }),
        _ => Ok(1.0),
    }
}

/// PEFT's configurations in a header of diffusers, by the part of the pipeline (`unet`, `text_encoder`) that they are for.
fn components(
    metadata: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, AdapterConfig>, LoraFileError> {
    let Some(text) = metadata.get(HEADER_CONFIGS) else {
        return Ok(BTreeMap::new());
    };
    let all: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| LoraFileError::Config(error.into()))?;
    let mut parts: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (name, value) in all {
        if let Some((part, field)) = name.split_once('.') {
            let fields = parts.entry(part.to_owned()).or_default();
            fields.insert(field.to_owned(), value);
        }
    }
    let read = |(part, mut fields): (String, Map<String, Value>)| {
        fields.entry("peft_type").or_insert_with(|| "LORA".into());
        Ok((part, AdapterConfig::from_fields(fields)?))
    };
    parts.into_iter().map(read).collect()
}

/// The configuration of a layer's part, and the layer's name within it.
fn component_of<'a, 'b>(
    components: &'a BTreeMap<String, AdapterConfig>,
    layer: &'b str,
) -> Option<(&'a AdapterConfig, &'b str)> {
    let (part, module) = layer.split_once('.')?;
    Some((components.get(part)?, module))
}
