//! One LoRA pair: `down` projects to the rank, `up` back.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What a [`LoraConfig`](crate::LoraConfig) comes to at one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LoraSpec {
    pub(crate) rank: usize,
    pub(crate) scale: f64,
    pub(crate) dropout: f64,
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
    /// `alpha / rank`, or `alpha / √rank` under rsLoRA.
    pub scale: f64,
    /// Share of `down`'s inputs that a training pass drops.
    pub dropout: f64,
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
            scale: spec.scale,
            dropout: spec.dropout,
        }
    }

    /// The update of the flattened weight, `[f, c·kh·kw]`.
    pub(crate) fn delta(&self) -> Tensor<2> {
        self.up.val().matmul(self.down.val()).mul_scalar(self.scale)
    }

    /// `scale · up`, `[f, r]`.
    pub(crate) fn scaled_up(&self) -> Tensor<2> {
        self.up.val().mul_scalar(self.scale)
    }
}

/// A layer that can carry LoRA.
pub(crate) trait LoraLayer {
    fn lora(&self) -> Option<&LoraPair>;

    fn lora_mut(&mut self) -> &mut Option<LoraPair>;

    /// Gives the layer another LoRA pair, or none.
    fn set_lora(&mut self, spec: Option<LoraSpec>, rng: &mut ChaCha8Rng);

    /// Replaces the weight by that of base and adapter together, and drops the pair.
    fn merge(&mut self);

    /// Sets `up` to zero, which makes the layer the base's.
    fn reset_lora(&mut self) {
        if let Some(pair) = self.lora_mut() {
            pair.up = pair.up.clone().map(|up| {
                let tracked = up.is_require_grad();
                up.zeros_like().set_require_grad(tracked)
            });
        }
    }
}
