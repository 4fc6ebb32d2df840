//! The contract of a text encoder.

use burn::tensor::{Bool, Device, Tensor};

use crate::Error;
use crate::host::{PromptEncoding, from_device};

/// What an encoder makes of a batch of B prompts.
///
/// L is the token count of the longest prompt in the batch, at least 1 and at most [`TextEncoder::max_tokens`].
#[derive(Debug, Clone)]
pub struct TextEncoding {
    /// Token embeddings `[B, L, C]`, zero at padding.
    pub tokens: Tensor<3>,
    /// `[B, L]`, true where there is a real token, false at padding. Real tokens come first.
    pub mask: Tensor<2, Bool>,
    /// One vector per prompt `[B, P]`, of Euclidean norm 1; P is [`TextEncoder::pooled_width`]. It describes the tokens kept, not those cut off.
    pub pooled: Tensor<2>,
    /// For each prompt, whether it had more than [`TextEncoder::max_tokens`] tokens and lost the rest.
    pub truncated: Vec<bool>,
}

/// A frozen text encoder τ: prompts → tokens, mask and pooled vectors.
///
/// Object-safe. Implementations are deterministic: the same prompt gives the same vectors, whatever the batch around it
/// (up to the padding that the longest prompt brings, and the rounding of sums in another order).
pub trait TextEncoder: Send + Sync {
    /// Name of the encoder and its width, such as `static-minilm-128`.
    fn name(&self) -> &str;

    /// SHA-256, lower-case hex, over weights and tokenizer. Models trained on one encoder's output should store it and
    /// refuse another.
    fn digest(&self) -> &str;

    /// Width C of the token embeddings.
    fn width(&self) -> usize;

    /// Width P of the pooled vectors; C unless the encoder projects them, as CLIP does.
    fn pooled_width(&self) -> usize {
        self.width()
    }

    /// Most tokens of a prompt that are kept, start and end tokens included where the encoder has them.
    fn max_tokens(&self) -> usize;

    /// Encodes a batch of prompts onto `device`.
    ///
    /// # Errors
    ///
    /// [`Error::NoPrompts`] on an empty batch; [`Error::EmptyPrompt`] with the index of the first prompt in which
    /// nothing is known.
    fn encode(&self, prompts: &[&str], device: &Device) -> Result<TextEncoding, Error>;

    /// The same on the host, one prompt at a time and without padding: what a cache stores.
    ///
    /// The default implementation encodes on Burn's default device and reads back; encoders that can should compute it
    /// without the detour, as those of this crate do.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode), and [`Error::Readback`].
    fn encode_host(&self, prompts: &[&str]) -> Result<Vec<PromptEncoding>, Error> {
        from_device(self.encode(prompts, &Device::default())?)
    }

    /// The pooled vectors alone, on the host: B vectors of P entries and norm 1.
    ///
    /// # Errors
    ///
    /// Those of [`encode_host`](Self::encode_host).
    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let prompts = self.encode_host(prompts)?;
        Ok(prompts.into_iter().map(|p| p.pooled).collect())
    }
}

impl<T: TextEncoder + ?Sized> TextEncoder for Box<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn digest(&self) -> &str {
        (**self).digest()
    }

    fn width(&self) -> usize {
        (**self).width()
    }

    fn pooled_width(&self) -> usize {
        (**self).pooled_width()
    }

    fn max_tokens(&self) -> usize {
        (**self).max_tokens()
    }

    fn encode(&self, prompts: &[&str], device: &Device) -> Result<TextEncoding, Error> {
        (**self).encode(prompts, device)
    }

    fn encode_host(&self, prompts: &[&str]) -> Result<Vec<PromptEncoding>, Error> {
        (**self).encode_host(prompts)
    }

    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        (**self).encode_pooled(prompts)
    }
}
