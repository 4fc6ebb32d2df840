//! What a GAN is made of, as the training loop and the measuring see it.

use burn::tensor::Tensor;
use lora_gan::{HybridGenerator, Mode, PatchGan};
use rand_chacha::ChaCha8Rng;

/// Photo → edited photo, `[B, 3, S, S]` in −1..1 each.
pub trait ImageTranslator {
    /// Translates a batch; `rng` gives whatever noise the network takes (dropout, a latent). The same
    /// state of it gives the same result.
    fn translate(&self, photo: Tensor<4>, rng: &mut ChaCha8Rng) -> Tensor<4>;
}

/// (photo, edited photo) → logits, `[B, 3, S, S]` twice to `[B, 1, H, W]`; large where it takes the
/// pair for a real one.
pub trait PairDiscriminator {
    /// Judges a batch of pairs.
    fn judge(&self, photo: Tensor<4>, edited: Tensor<4>) -> Tensor<4>;
}

impl ImageTranslator for HybridGenerator {
    fn translate(&self, photo: Tensor<4>, _rng: &mut ChaCha8Rng) -> Tensor<4> {
        self.forward(photo, None, Mode::Adapted)
    }
}

impl PairDiscriminator for PatchGan {
    fn judge(&self, photo: Tensor<4>, edited: Tensor<4>) -> Tensor<4> {
        self.forward(photo, edited)
    }
}
