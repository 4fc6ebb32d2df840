//! Prompts as the weight generator takes them.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use lora_gan::BaseGenerator;
use text_encoder::{StaticEncoder, TextEncoder, open_encoder};
use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};

use crate::Error;
use crate::error::Result;

/// A frozen text encoder whose output is on the host.
pub struct PromptEncoder {
    encoder: Box<dyn TextEncoder>,
}

/// The encoder's identity.
impl fmt::Debug for PromptEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptEncoder")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl PromptEncoder {
    /// The static encoder that is compiled into `text-encoder`, which the shipped weight generator was trained with.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the embedded asset is damaged.
    pub fn embedded() -> Result<Self> {
        Ok(Self::new(Box::new(StaticEncoder::embedded()?)))
    }

    /// The encoder of a folder with a CLIP or sentence-transformers model (config.json, weights, tokenizer), which
    /// computes on `device`.
    ///
    /// # Errors
    /// Returns [`Error::Text`], which names the file, if one is missing, damaged or of another kind of model.
    pub fn open(dir: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Ok(Self::new(open_encoder(dir, device)?))
    }

    /// Any encoder.
    pub fn new(encoder: Box<dyn TextEncoder>) -> Self {
        Self { encoder }
    }

    /// The encoder itself.
    pub fn encoder(&self) -> &dyn TextEncoder {
        &*self.encoder
    }

    /// The encoder's identity, which a weight generator trained on its tokens records.
    pub fn id(&self) -> EncoderId {
        self.encoder.id()
    }

    /// The tokens of one prompt, `[L, C]`; logs a warning if the prompt was cut.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of the prompt.
    pub fn tokens(&self, prompt: &str) -> Result<EncodedPrompt> {
        let Some(encoded) = self.encoder.encode(&[prompt])?.pop() else {
            return Err(text_encoder::Error::NoPrompts.into());
        };
        if encoded.truncated {
            const SHOWN: usize = 60;
            let shown: String = prompt.chars().take(SHOWN).collect();
            let more = if shown.len() < prompt.len() {
                "…"
            } else {
                ""
            };
            log::warn!(
                "only the first {} tokens of the prompt are read; shorten it: {shown}{more}",
                self.encoder.max_tokens()
            );
        }
        Ok(encoded)
    }

    /// The base for one prompt, which its adapters are trained and used with (T in G(x, z, T), Eq. 4). A base from which
    /// prompts are withheld computes as before, and only records which prompt it is for.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of the prompt, and [`Error::Network`] if the base reads another
    /// encoder's tokens.
    pub fn prompted(&self, base: &BaseGenerator, prompt: &str) -> Result<BaseGenerator> {
        Ok(base.with_prompt(prompt, &self.tokens(prompt)?, &self.id())?)
    }

    /// The pooled vector of one prompt, of Euclidean norm 1: dot products are similarities.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of the prompt.
    pub fn pooled(&self, prompt: &str) -> Result<Vec<f32>> {
        Ok(self.encoder.encode_pooled(&[prompt])?.concat())
    }

    /// The prompt among `candidates` that is least similar to `prompt`.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of a prompt, [`Error::NoOtherPrompt`] if every candidate
    /// equals `prompt`.
    pub fn least_similar<'c>(
        &self,
        prompt: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Result<String> {
        let own = self.pooled(prompt)?;
        let mut worst: Option<(f32, &str)> = None;
        for other in candidates.into_iter().filter(|other| *other != prompt) {
            let vector = self.pooled(other)?;
            let similarity: f32 = own.iter().zip(&vector).map(|(a, b)| a * b).sum();
            if worst.is_none_or(|(lowest, _)| similarity < lowest) {
                worst = Some((similarity, other));
            }
        }
        let none = || Error::NoOtherPrompt {
            prompt: prompt.to_owned(),
        };
        Ok(worst.ok_or_else(none)?.1.to_owned())
    }
}
