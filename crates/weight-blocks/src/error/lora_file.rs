//! What can be wrong with a LoRA file.

/// Why a safetensors file is not a LoRA.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoraFileError {
    /// A tensor of another kind.
    #[error("tensor `{name}` is neither a LoRA factor nor an alpha")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// Two names for one factor.
    #[error("tensor `{name}` is the same factor as `{other}`")]
    DuplicateFactor {
        /// The tensor.
        name: String,
        /// The other one.
        other: String,
    },
    /// A factor without the other.
    #[error("tensor `{name}` has no partner in the file")]
    NoPartner {
        /// The tensor.
        name: String,
    },
    /// Factors of different ranks.
    #[error("tensor `{down}` of shape {down_shape:?} does not fit `{up}` of shape {up_shape:?}")]
    Rank {
        /// The first factor.
        down: String,
        /// Its shape.
        down_shape: Vec<usize>,
        /// The second factor.
        up: String,
        /// Its shape.
        up_shape: Vec<usize>,
    },
    /// No factors at all.
    #[error("there are no LoRA factors in it")]
    Empty,
    /// A factor of rank 0, or of no inputs or outputs.
    #[error("tensor `{name}` of shape {shape:?} holds no values; leave the layer out")]
    NoValues {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// An alpha of a layer without factors.
    #[error("tensor `{name}` is the alpha of a layer whose factors are missing")]
    AlphaAlone {
        /// The tensor.
        name: String,
    },
    /// An alpha that is not a single number.
    #[error("tensor `{name}` holds {values} values; an alpha is one number")]
    AlphaValues {
        /// The tensor.
        name: String,
        /// How many it holds.
        values: usize,
    },
    /// An alpha of 0.
    #[error(
        "tensor `{name}` is 0, which sd-scripts reads as a scale of 1 and others as no update; write the layer's rank for a scale of 1, or remove the layer"
    )]
    ZeroAlpha {
        /// The tensor.
        name: String,
    },
    /// Scales by tensors in a file whose configuration states them.
    #[error("tensor `{name}` states a scale, and so does adapter_config.json; remove one of them")]
    TwoScales {
        /// The tensor.
        name: String,
    },
    /// A header that states an alpha which the tensors lack.
    #[error(
        "layer `{layer}` has no alpha, but the header states ss_network_alpha {alpha} for a dimension of {dim}; restore the alphas, or remove ss_network_alpha if the scale is 1"
    )]
    HeaderAlpha {
        /// The layer.
        layer: String,
        /// `ss_network_alpha`.
        alpha: f64,
        /// `ss_network_dim`.
        dim: f64,
    },
    /// A scale that makes an update of nothing or of infinity.
    #[error("layer `{layer}` has the scale {scale}; its update cannot be represented")]
    Scale {
        /// The layer.
        layer: String,
        /// Its scale.
        scale: f64,
    },
    /// PEFT's weights without the configuration.
    #[error(
        "there is no such file beside PEFT's weights, and their scale (lora_alpha, use_rslora) is in it; copy it there"
    )]
    NoConfig,
    /// PEFT's configuration is in the place where another should be written.
    #[error("the adapter that is here states other scales; save to another folder")]
    OtherConfig,
    /// PEFT's configuration, or one in the header, is not that of a plain LoRA.
    #[error(transparent)]
    Config(#[from] crate::peft::AdapterConfigError),
}
