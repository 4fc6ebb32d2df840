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
        let encoded = self.encode(prompt)?;
        if let Some(warning) = self.cut(prompt, &encoded) {
            log::warn!("{warning}");
        }
        Ok(encoded)
    }

    /// A warning for people if the prompt is longer than the encoder reads, so that its last words have no effect. Nothing is
    /// logged.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of the prompt.
    pub fn cut_warning(&self, prompt: &str) -> Result<Option<String>> {
        Ok(self.cut(prompt, &self.encode(prompt)?))
    }

    fn encode(&self, prompt: &str) -> Result<EncodedPrompt> {
        let encoded = self.encoder.encode(&[prompt])?.pop();
        encoded.ok_or_else(|| text_encoder::Error::NoPrompts.into())
    }

    /// The warning if `encoded`, which the encoder made of `prompt`, lacks its end.
    fn cut(&self, prompt: &str, encoded: &EncodedPrompt) -> Option<String> {
        const SHOWN: usize = 60;
        encoded.truncated.then(|| {
            let shown: String = prompt.chars().take(SHOWN).collect();
            let more = if shown.len() < prompt.len() {
                "…"
            } else {
                ""
            };
            format!(
                "“{shown}{more}” is too long: only its first {} tokens (words or parts of words) are read. Shorten it.",
                self.encoder.max_tokens()
            )
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_is_cut_is_warned_of() {
        let encoder = PromptEncoder::embedded().unwrap();
        let long = ["oil painting"; 20].join(" ");
        let warning = encoder.cut_warning(&long).unwrap().unwrap();
        let most = encoder.encoder().max_tokens();
        assert!(
            warning.contains(&format!("first {most} tokens")),
            "{warning}"
        );
        assert!(
            warning.starts_with("“oil painting") && warning.contains("…”"),
            "{warning}"
        );
        assert_eq!(encoder.cut_warning("oil painting").unwrap(), None);
        assert!(encoder.tokens(&long).unwrap().truncated);
    }
}
