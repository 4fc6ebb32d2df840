//! `adapter_config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use tensor_file::{decode_text, read_limited};
use weight_blocks::peft::AdapterConfig;

use crate::error::Error;
use crate::files::JSON_LIMIT;

/// The fields of PEFT's `LoraConfig` that this crate writes.
#[derive(Debug, Serialize)]
pub(super) struct PeftConfig {
    pub(super) peft_type: String,
    pub(super) task_type: Option<String>,
    pub(super) inference_mode: bool,
    pub(super) base_model_name_or_path: Option<String>,
    pub(super) r: usize,
    pub(super) lora_alpha: f64,
    pub(super) lora_dropout: f64,
    pub(super) use_rslora: bool,
    pub(super) use_dora: bool,
    pub(super) lora_bias: bool,
    pub(super) bias: String,
    pub(super) fan_in_fan_out: bool,
    pub(super) target_modules: Vec<String>,
    pub(super) modules_to_save: Vec<String>,
    pub(super) rank_pattern: BTreeMap<String, usize>,
    pub(super) alpha_pattern: BTreeMap<String, f64>,
}

/// Reads a folder's configuration.
pub(super) fn read(path: &Path) -> Result<AdapterConfig, Error> {
    let text = read_limited(path, JSON_LIMIT)?;
    AdapterConfig::parse(decode_text(&text, path)?.as_bytes()).map_err(|source| Error::Peft {
        path: path.to_owned(),
        source: source.into(),
    })
}

/// The most frequent value, and the modules that have another.
pub(super) fn common<T: Copy + PartialEq>(
    values: &[(String, T)],
) -> Option<(T, BTreeMap<String, T>)> {
    let count = |value: &T| values.iter().filter(|(_, v)| v == value).count();
    // The last of equals in `max_by_key`, so reversed: ties go to the first layer's.
    let most = values.iter().rev().max_by_key(|(_, v)| count(v))?.1;
    let others = values.iter().filter(|(_, v)| *v != most);
    Some((most, others.cloned().collect()))
}
