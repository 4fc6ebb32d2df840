//! What can be wrong with an `adapter_config.json`.

/// Why the configuration of a PEFT adapter cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterConfigError {
    /// The configuration is not one of a LoRA.
    #[error("not a LoRA configuration of PEFT ({0})")]
    Json(#[from] serde_json::Error),
    /// The adapter is of another type.
    #[error("peft_type is {found:?}; only \"LORA\" can be read")]
    Type {
        /// `peft_type`.
        found: String,
    },
    /// The adapter uses DoRA.
    #[error(
        "use_dora is set, but DoRA's magnitudes cannot be represented; merge the adapter in PEFT"
    )]
    Dora,
    /// The adapter trained biases.
    #[error("biases were trained; only adapters with bias \"none\" can be read")]
    Bias,
    /// The initialisation took a part out of the base's weights, so that the adapter does not belong to the base itself.
    #[error(
        "init_lora_weights is {init:?}, which changes the base's weights, so the adapter is wrong on the base itself; convert it with PEFT's `save_pretrained(path_initial_model_for_weight_conversion=…)`, or merge it in PEFT"
    )]
    ChangedBase {
        /// `init_lora_weights`.
        init: String,
    },
    /// The initialisation is not known, and may have changed the base's weights.
    #[error(
        "init_lora_weights is {init}, which is not known here and may change the base's weights; merge the adapter in PEFT"
    )]
    UnknownInit {
        /// `init_lora_weights`, as JSON.
        init: String,
    },
    /// A field is set that changes what the adapter computes, or that is not known.
    #[error(
        "`{field}` is set, which is not a plain LoRA or not known here; merge the adapter in PEFT, or remove the field if it has no effect"
    )]
    Field {
        /// The field.
        field: String,
    },
    /// A rank or an alpha is given for a regular expression.
    #[error("{field} `{pattern}` is a regular expression; write the modules' names out")]
    Regex {
        /// `rank_pattern` or `alpha_pattern`.
        field: &'static str,
        /// The pattern.
        pattern: String,
    },
    /// Different values are given for one module.
    #[error("two entries of {field} match `{module}`; remove one")]
    Ambiguous {
        /// `rank_pattern` or `alpha_pattern`.
        field: &'static str,
        /// The module.
        module: String,
    },
    /// The factors have another rank than the configuration says.
    #[error(
        "the factors of `{module}` have rank {found}, but r and rank_pattern say {expected}; does the configuration belong to another adapter?"
    )]
    Rank {
        /// The module.
        module: String,
        /// The rank of the configuration.
        expected: usize,
        /// The rank of the factors.
        found: usize,
    },
}
