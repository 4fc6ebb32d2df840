//! `adapter_config.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PeftError;
use crate::error::Error;
use crate::files::read_json;

/// What makes a pattern a regular expression.
const REGEX: [char; 12] = ['*', '+', '?', '[', ']', '(', ')', '{', '}', '|', '\\', '$'];

/// The fields of PEFT's `LoraConfig` that this crate writes; others are ignored when it is read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PeftConfig {
    pub(super) peft_type: String,
    #[serde(default)]
    pub(super) task_type: Option<String>,
    #[serde(default)]
    pub(super) inference_mode: bool,
    #[serde(default)]
    pub(super) base_model_name_or_path: Option<String>,
    pub(super) r: usize,
    pub(super) lora_alpha: f64,
    #[serde(default)]
    pub(super) lora_dropout: f64,
    #[serde(default)]
    pub(super) use_rslora: bool,
    #[serde(default)]
    pub(super) use_dora: bool,
    #[serde(default)]
    pub(super) lora_bias: bool,
    #[serde(default = "none")]
    pub(super) bias: String,
    #[serde(default)]
    pub(super) fan_in_fan_out: bool,
    /// A list or, in other folders, a pattern; which layers are adapted follows from the tensors.
    pub(super) target_modules: serde_json::Value,
    #[serde(default)]
    pub(super) modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    pub(super) rank_pattern: Option<BTreeMap<String, usize>>,
    #[serde(default)]
    pub(super) alpha_pattern: Option<BTreeMap<String, f64>>,
}

fn none() -> String {
    "none".to_owned()
}

impl PeftConfig {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let fail = |source| {
            Err(Error::Peft {
                path: path.to_owned(),
                source,
            })
        };
        let config: Self = match read_json(path) {
            Err(Error::Json { source, .. }) => return fail(source.into()),
            other => other?,
        };
        if config.peft_type != "LORA" {
            return fail(PeftError::Type {
                found: config.peft_type,
            });
        }
        if config.use_dora {
            return fail(PeftError::Dora);
        }
        if config.bias != "none" || config.lora_bias {
            return fail(PeftError::Bias);
        }
        Ok(config)
    }

    /// Alpha of the PyTorch module `module`, as PEFT's `alpha_pattern` gives it.
    pub(crate) fn alpha(&self, module: &str) -> Result<f64, PeftError> {
        let mut found: Option<f64> = None;
        for (pattern, alpha) in self.alpha_pattern.iter().flatten() {
            if pattern.contains(REGEX) {
                return Err(PeftError::Regex {
                    pattern: pattern.clone(),
                });
            }
            let matches = match pattern.strip_prefix('^') {
                Some(name) => module == name,
                None => (module.strip_suffix(pattern.as_str()))
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            };
            if !matches {
                continue;
            }
            if found.is_some_and(|other| other != *alpha) {
                return Err(PeftError::AmbiguousAlpha {
                    module: module.to_owned(),
                });
            }
            found = Some(*alpha);
        }
        Ok(found.unwrap_or(self.lora_alpha))
    }
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
