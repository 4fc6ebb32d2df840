//! The network's contract, and the text it is conditioned on.

use burn::tensor::{Bool, Int, Tensor, TensorData};

use crate::{Error, HostText, NoiseSchedule};

/// A batch of encoded prompts.
#[derive(Debug, Clone)]
pub struct TextCondition {
    /// Token features `[B or 1, L, C]`; one prompt serves a whole batch without a copy.
    pub tokens: Tensor<3>,
    /// `[B or 1, L]`, true where a token is real and not padding.
    pub mask: Tensor<2, Bool>,
}

impl TextCondition {
    /// Pads `texts` to the longest and puts them on `device`.
    ///
    /// # Errors
    /// [`Error::Shape`] where a text's values are not `len × width`.
    pub fn from_host(
        texts: &[&HostText],
        width: usize,
        device: &burn::tensor::Device,
    ) -> Result<Self, Error> {
        let longest = texts.iter().map(|text| text.len).max().unwrap_or(0).max(1);
        let mut tokens = vec![0.0f32; texts.len() * longest * width];
        let mut mask = vec![false; texts.len() * longest];
        for (i, text) in texts.iter().enumerate() {
            text.check(width)?;
            let start = i * longest * width;
            tokens[start..start + text.tokens.len()].copy_from_slice(&text.tokens);
            mask[i * longest..i * longest + text.len].fill(true);
        }
        let batch = texts.len();
        Ok(Self {
            tokens: Tensor::from_data(TensorData::new(tokens, [batch, longest, width]), device),
            mask: Tensor::from_data(TensorData::new(mask, [batch, longest]), device),
        })
    }

    /// Width C of the tokens.
    pub fn width(&self) -> usize {
        self.tokens.dims()[2]
    }
}

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
