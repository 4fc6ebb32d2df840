//! Activations by their name in `config.json`.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, gelu_approximate, sigmoid};

/// The activation between an MLP's two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// x · sigmoid(1.702 x), OpenAI's CLIP.
    QuickGelu,
    /// x · Φ(x), exact.
    Gelu,
    /// The tanh approximation.
    GeluTanh,
}

impl Activation {
    /// Names that [`parse`](Self::parse) knows.
    pub(crate) const NAMES: &str = "quick_gelu, gelu, gelu_new or gelu_pytorch_tanh";

    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "quick_gelu" => Some(Self::QuickGelu),
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            _ => None,
        }
    }

    pub(crate) fn forward(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::QuickGelu => x.clone() * sigmoid(x * 1.702),
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_approximate(x),
        }
    }
}
