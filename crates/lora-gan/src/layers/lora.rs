//! One LoRA pair: `down` projects to the rank, `up` back.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The rank and the scale `alpha / rank` of a LoRA pair (Hu et al., 2021).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LoraSpec {
    /// Inner dimension r.
    pub rank: usize,
    /// Scale numerator: the update is `alpha / rank · up · down`.
    pub alpha: f64,
}

impl LoraSpec {
    /// A pair of rank `rank` with `alpha = rank`, that is a scale of 1.
    pub fn rank(rank: usize) -> Self {
        Self {
            rank,
            alpha: rank as f64,
        }
    }
}

/// The trainable factors of one layer, both kept as matrices.
///
/// For a convolution c → f with kernel kh×kw, `down` is the c → r convolution with kernel kh×kw
/// flattened to `[r, c·kh·kw]`, and `up` the 1×1 convolution r → f as `[f, r]`: their composition
/// equals one convolution with the kernel `up · down`, which is how the layers compute it (one
/// convolution instead of three).
#[derive(Module, Debug)]
pub struct LoraPair {
    /// `[r, fan_in]`, `fan_in = c·kh·kw`.
    pub down: Param<Tensor<2>>,
    /// `[f, r]`.
    pub up: Param<Tensor<2>>,
    /// `alpha / rank`.
    pub scale: f64,
}

impl LoraPair {
    /// `down` uniform in ±1/√fan_in (PEFT's and PyTorch's Kaiming rule with a = √5), `up` zero:
    /// the layer starts as the frozen base.
    pub(crate) fn new(
        fan_in: usize,
        out: usize,
        spec: LoraSpec,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Self {
        let bound = 1.0 / (fan_in as f32).sqrt();
        let down: Vec<f32> = (0..spec.rank * fan_in)
            .map(|_| rng.random_range(-bound..bound))
            .collect();
        Self {
            down: Param::from_tensor(Tensor::from_data(
                TensorData::new(down, [spec.rank, fan_in]),
                device,
            )),
            up: Param::from_tensor(Tensor::zeros([out, spec.rank], device)),
            scale: spec.alpha / spec.rank as f64,
        }
    }

    /// The update of the flattened weight, `[f, c·kh·kw]`.
    pub(crate) fn delta(&self) -> Tensor<2> {
        self.up.val().matmul(self.down.val()).mul_scalar(self.scale)
    }
}
