//! The contract of a denoising network.

use burn::tensor::{Int, Tensor};
use encoded_text::TextCondition;

use super::NoiseSchedule;

/// Predicts the noise in a batch of weight blocks (paper, Eq. 1).
pub trait Denoiser: Send {
    /// ε̂ `[B, b]` of `noisy` w^t `[B, b]`, with timesteps `t` `[B]` and block indices `n` `[B]`.
    fn predict_noise(
        &self,
        noisy: Tensor<2>,
        t: Tensor<1, Int>,
        n: Tensor<1, Int>,
        text: &TextCondition,
    ) -> Tensor<2>;

    /// ŵ⁰ `[B, b]` of `noisy` w^t, all at step `t`: (w^t − σ_t ε̂)/α_t.
    ///
    /// The paper's Eq. 3 prints w^t/α_t − σ_t ε̂, but this is the inverse of w^t = α_t w⁰ + σ_t ε. An
    /// implementation may use an algebraically equal form that loses less precision where α_t is small.
    fn recover(
        &self,
        noisy: Tensor<2>,
        t: usize,
        n: Tensor<1, Int>,
        text: &TextCondition,
        schedule: &NoiseSchedule,
    ) -> Tensor<2> {
        let steps = Tensor::full([noisy.dims()[0]], t as i64, &noisy.device());
        let noise = self.predict_noise(noisy.clone(), steps, n, text);
        (noisy - noise.mul_scalar(schedule.sigma(t))).div_scalar(schedule.alpha(t))
    }

    /// Block size b.
    fn block_size(&self) -> usize;

    /// Width C of the text tokens.
    fn context_width(&self) -> usize;
}
