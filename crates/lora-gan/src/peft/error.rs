//! What can be wrong with a PEFT folder.

/// Why a PEFT folder and a generator do not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeftError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] weight_blocks::peft::AdapterConfigError),
    /// A tensor is not one of the generator's.
    #[error("tensor `{name}` has no place in this generator")]
    UnknownTensor {
        /// The tensor.
        name: String,
    },
    /// A tensor is given under two names, or in two files.
    #[error("tensor `{name}` is there twice, under another name or in another file of the folder")]
    Twice {
        /// The tensor.
        name: String,
    },
    /// Running statistics differ from the base's.
    #[error(
        "tensor `{name}` differs from the base's: its batch norms were trained with the batch's statistics; keep them in eval mode while the adapter trains"
    )]
    TrainedStatistics {
        /// The tensor.
        name: String,
    },
    /// There are no LoRA factors.
    #[error("it holds no LoRA factors")]
    NoFactors,
    /// The two factors of a layer have different ranks.
    #[error("`{down}` has rank {rank}, but `lora_B` of the same layer has {partner}")]
    Ranks {
        /// The `lora_A` tensor.
        down: String,
        /// Its rank.
        rank: usize,
        /// The rank of `lora_B`.
        partner: usize,
    },
    /// A factor has no partner, or not a factor's shape.
    #[error("`{name}` of shape {shape:?} is not a LoRA factor, or its partner is missing")]
    Unpaired {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A factor does not fit its layer.
    #[error("`{name}` has shape {found:?}; the layer needs {expected:?}")]
    FactorShape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits.
        expected: Vec<usize>,
    },
    /// A weight that is saved merged is not that of the base with its factors.
    #[error(
        "`{name}` is saved merged, but is not the base's weight with the factors of `{factors}`: the folder belongs to another base, or that file is missing"
    )]
    Merged {
        /// The tensor.
        name: String,
        /// The file with the factors.
        factors: &'static str,
    },
    /// No layer that PEFT has LoRA for is adapted.
    #[error("PEFT needs an adapted convolution or linear layer, and the adapter has none")]
    NothingToAdapt,
}
