//! The contract of a text encoder.

use burn::tensor::{Bool, Device, Tensor};

use crate::Error;

/// What an encoder makes of a batch of B prompts.
///
/// L is the token count of the longest prompt in the batch, at least 1 and at most [`TextEncoder::max_tokens`].
#[derive(Debug, Clone)]
pub struct TextEncoding {
    /// Token embeddings `[B, L, C]`, zero at padding.
    pub tokens: Tensor<3>,
    /// `[B, L]`, true where there is a real token, false at padding.
    pub mask: Tensor<2, Bool>,
    /// One vector per prompt `[B, C]`, of Euclidean norm 1. It describes the tokens kept, not those cut off.
    pub pooled: Tensor<2>,
    /// For each prompt, whether it had more than [`TextEncoder::max_tokens`] tokens and lost the rest.
    pub truncated: Vec<bool>,
}

/// A frozen text encoder τ: prompts → tokens, mask and pooled vectors.
///
/// Object-safe. Implementations are deterministic: the same prompt gives the same vectors, whatever the batch around it
/// (up to the padding that the longest prompt brings).
pub trait TextEncoder: Send + Sync {
    /// Name of the encoder and its width, such as `static-minilm-128`.
    fn name(&self) -> &str;

    /// SHA-256, lower-case hex, over weights and tokenizer. Models trained on one encoder's output should store it and
    /// refuse another.
    fn digest(&self) -> &str;

    /// Embedding width C.
    fn width(&self) -> usize;

    /// Most tokens of a prompt that are kept.
    fn max_tokens(&self) -> usize;

    /// Encodes a batch of prompts onto `device`.
    ///
    /// # Errors
    ///
    /// [`Error::NoPrompts`] on an empty batch; [`Error::EmptyPrompt`] with the index of the first prompt in which
    /// nothing is known.
    fn encode(&self, prompts: &[&str], device: &Device) -> Result<TextEncoding, Error>;

    /// The pooled vectors alone, on the host: B vectors of C entries and norm 1.
    ///
    /// The default implementation encodes on Burn's default device and reads back; encoders that can should compute it
    /// on the host, as [`StaticEncoder`](crate::StaticEncoder) does.
    ///
    /// # Errors
    ///
    /// Those of [`encode`](Self::encode), and [`Error::Readback`].
    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let data = self
            .encode(prompts, &Device::default())?
            .pooled
            .try_into_data();
        let readback = |message: String| Error::Readback { message };
        let flat: Vec<f32> = data
            .map_err(|e| readback(e.to_string()))?
            .convert::<f32>()
            .try_to_vec()
            .map_err(|e| readback(format!("{e:?}")))?;
        Ok(flat.chunks(self.width()).map(<[f32]>::to_vec).collect())
    }
}
