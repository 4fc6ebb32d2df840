//! `adapter_config.json` of PEFT's LoRA adapters: the scale of each module, and what makes an adapter more than its factors.

mod error;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use error::AdapterConfigError;

/// What makes a pattern a regular expression.
const REGEX: [char; 12] = ['*', '+', '?', '[', ']', '(', ')', '{', '}', '|', '\\', '$'];

/// Initialisations of PEFT 0.21 after which base and adapter are those of a plain LoRA.
const PLAIN: [&str; 6] = ["true", "false", "gaussian", "eva", "orthogonal", "mica"];

/// Leading parts of the initialisations that subtract the initial adapter from the base, or quantise it.
const CHANGED: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

/// Fields that do not change what the factors compute. Which modules are adapted follows from the tensors; the
/// configurations of initialisations count only with theirs; VeLoRA changes the backward pass alone.
const NO_EFFECT: [&str; 23] = [
    "task_type",
    "inference_mode",
    "auto_mapping",
    "peft_version",
    "revision",
    "base_model_class",
    "parent_library",
    "merge_weights",
    "fan_in_fan_out",
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    "modules_to_save",
    "megatron_core",
    "qalora_group_size",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "velora_config",
    "ensure_weight_tying",
    "runtime_config",
];

/// A LoRA configuration that is nothing but factors and scales; anything else is refused by its field.
///
/// ```
/// use weight_blocks::peft::AdapterConfig;
///
/// let text = br#"{"peft_type": "LORA", "r": 8, "lora_alpha": 16, "alpha_pattern": {"k_proj": 4}}"#;
/// let config = AdapterConfig::parse(text)?;
/// assert_eq!(config.scale("model.layers.0.q_proj", 8)?, 2.0);
/// assert_eq!(config.scale("model.layers.0.k_proj", 8)?, 0.5);
///
/// let pissa = br#"{"peft_type": "LORA", "r": 8, "lora_alpha": 16, "init_lora_weights": "pissa"}"#;
/// assert!(AdapterConfig::parse(pissa).is_err());
/// # Ok::<(), weight_blocks::peft::AdapterConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    /// The base, as the adapter names it.
    pub base: Option<String>,
    /// Rank of the modules that no pattern names.
    pub r: usize,
    /// Numerator of their scale.
    pub alpha: f64,
    /// Whether scales are `alpha / √rank` in place of `alpha / rank`.
    pub use_rslora: bool,
    /// Share of the inputs that training drops.
    pub dropout: f64,
    ranks: BTreeMap<String, usize>,
    alphas: BTreeMap<String, f64>,
}

/// The fields that count. A field that is given twice is refused.
#[derive(Deserialize)]
struct Fields {
    peft_type: String,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    lora_bias: bool,
    #[serde(default = "none")]
    bias: String,
    #[serde(default = "plain")]
    init_lora_weights: Value,
    #[serde(default)]
    rank_pattern: Option<BTreeMap<String, usize>>,
    #[serde(default)]
    alpha_pattern: Option<BTreeMap<String, f64>>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn none() -> String {
    "none".to_owned()
}

fn plain() -> Value {
    Value::Bool(true)
}

impl AdapterConfig {
    /// Reads the text of an `adapter_config.json`, in UTF-8 and without a byte order mark: [`tensor_file::decode_text`]
    /// leaves the mark out and names other encodings.
    ///
    /// # Errors
    /// Returns the first field that makes the adapter more than its factors and scales: another type, DoRA, biases, an
    /// initialisation that changes the base, or any other variant of LoRA.
    pub fn parse(text: &[u8]) -> Result<Self, AdapterConfigError> {
        Self::check(serde_json::from_slice(text)?)
    }

    /// As [`AdapterConfig::parse`], for fields that were read already.
    ///
    /// # Errors
    /// Those of [`AdapterConfig::parse`].
    pub(crate) fn from_fields(fields: Map<String, Value>) -> Result<Self, AdapterConfigError> {
        Self::check(serde_json::from_value(Value::Object(fields))?)
    }

    fn check(fields: Fields) -> Result<Self, AdapterConfigError> {
        if fields.peft_type != "LORA" {
            return Err(AdapterConfigError::Type {
                found: fields.peft_type,
            });
        }
        if fields.use_dora {
            return Err(AdapterConfigError::Dora);
        }
        if fields.bias != "none" || fields.lora_bias {
            return Err(AdapterConfigError::Bias);
        }
        check_init(&fields.init_lora_weights)?;
        let harmful = |(name, value): &(&String, &Value)| {
            is_set(value) && !NO_EFFECT.contains(&name.as_str())
        };
        if let Some((field, _)) = fields.others.iter().find(harmful) {
            let field = field.clone();
            return Err(AdapterConfigError::Field { field });
        }
        Ok(Self {
            base: fields.base_model_name_or_path,
            r: fields.r,
            alpha: fields.lora_alpha,
            use_rslora: fields.use_rslora,
            dropout: fields.lora_dropout,
            ranks: fields.rank_pattern.unwrap_or_default(),
            alphas: fields.alpha_pattern.unwrap_or_default(),
        })
    }

    /// Alpha of a module, by its name in PyTorch.
    ///
    /// # Errors
    /// Returns [`AdapterConfigError::Regex`] for patterns that are more than names, and
    /// [`AdapterConfigError::Ambiguous`] if two of them disagree.
    pub fn alpha_of(&self, module: &str) -> Result<f64, AdapterConfigError> {
        Ok(matching(&self.alphas, "alpha_pattern", module)?.unwrap_or(self.alpha))
    }

    /// Rank of a module, by its name in PyTorch.
    ///
    /// # Errors
    /// Those of [`AdapterConfig::alpha_of`].
    pub fn rank_of(&self, module: &str) -> Result<usize, AdapterConfigError> {
        Ok(matching(&self.ranks, "rank_pattern", module)?.unwrap_or(self.r))
    }

    /// What PEFT multiplies the product of a module's factors with; `rank` is the factors'.
    ///
    /// # Errors
    /// Returns [`AdapterConfigError::Rank`] if the configuration states another rank, and those of
    /// [`AdapterConfig::alpha_of`].
    pub fn scale(&self, module: &str, rank: usize) -> Result<f64, AdapterConfigError> {
        let expected = self.rank_of(module)?;
        if rank != expected {
            return Err(AdapterConfigError::Rank {
                module: module.to_owned(),
                expected,
                found: rank,
            });
        }
        let rank = rank as f64;
        let divisor = if self.use_rslora { rank.sqrt() } else { rank };
        Ok(self.alpha_of(module)? / divisor)
    }
}

fn check_init(init: &Value) -> Result<(), AdapterConfigError> {
    let text = match init {
        Value::Null => return Ok(()),
        Value::String(text) => text.to_lowercase(),
        other => other.to_string(),
    };
    if PLAIN.contains(&text.as_str()) {
        return Ok(());
    }
    if CHANGED.iter().any(|start| text.starts_with(start)) {
        return Err(AdapterConfigError::ChangedBase { init: text });
    }
    let init = init.to_string();
    Err(AdapterConfigError::UnknownInit { init })
}

/// Whether a field has another value than its default in PEFT, which is always empty.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

/// The value of the pattern that names `module`, or ends its name after a dot.
fn matching<T: Copy + PartialEq>(
    patterns: &BTreeMap<String, T>,
    field: &'static str,
    module: &str,
) -> Result<Option<T>, AdapterConfigError> {
    let mut found = None;
    for (pattern, value) in patterns {
        if pattern.contains(REGEX) {
            let pattern = pattern.clone();
            return Err(AdapterConfigError::Regex { field, pattern });
        }
        let matches = match pattern.strip_prefix('^') {
            Some(name) => module == name,
            None => (module.strip_suffix(pattern.as_str()))
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        };
        if !matches {
            continue;
        }
        if found.is_some_and(|other| other != *value) {
            let module = module.to_owned();
            return Err(AdapterConfigError::Ambiguous { field, module });
        }
        found = Some(*value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
