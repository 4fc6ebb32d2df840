//! The contract of a text encoder.

use burn::tensor::Device;
use encoded_text::{EncodedPrompt, EncoderId, TextCondition};

use crate::Error;

/// A frozen text encoder τ: prompts → tokens and pooled vectors.
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

    /// Most tokens of a prompt that are kept, start and end tokens included if the encoder has them.
    fn max_tokens(&self) -> usize;

    /// Encodes prompts, and brings each to the host without padding.
    ///
    /// A prompt has at least 1 and at most [`max_tokens`](Self::max_tokens) tokens, which are C wide; its pooled vector
    /// has P values and Euclidean norm 1, and describes the tokens that were kept.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NoPrompts`] for an empty batch, and [`Error::EmptyPrompt`] with the index of the first prompt
    /// without any known token.
    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error>;

    /// The pooled vectors alone: B vectors of P values and norm 1.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let prompts = self.encode(prompts)?;
        Ok(prompts.into_iter().map(|p| p.pooled).collect())
    }

    /// Encodes prompts as one batch on `device`, `[B, L, C]`, padded to the longest.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode).
    fn condition(&self, prompts: &[&str], device: &Device) -> Result<TextCondition, Error> {
        let prompts = self.encode(prompts)?;
        Ok(TextCondition::from_host(&prompts, self.width(), device)?)
    }

    /// What a model trained on this encoder's output stores.
    fn id(&self) -> EncoderId {
        EncoderId {
            name: self.name().to_owned(),
            digest: self.digest().to_owned(),
            width: self.width(),
        }
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

    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error> {
        (**self).encode(prompts)
    }

    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        (**self).encode_pooled(prompts)
    }
}
