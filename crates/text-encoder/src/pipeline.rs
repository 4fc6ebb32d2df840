//! What the encoders from a folder share: tokenizing prompts, cutting them into batches, and cutting the results into
//! prompts.

use std::collections::HashSet;

use encoded_text::EncodedPrompt;

use crate::Error;
use crate::batches::{self, Batch};
use crate::tokens::{PromptTokenizer, TokenIds};

/// From prompts to the input of a network, and from its output to encoded prompts.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) tokenizer: PromptTokenizer,
    /// Tokens without meaning: a prompt without any other token is refused.
    pub(crate) meaningless: HashSet<u32>,
    /// Whether prompts are lower-cased before the tokenizer sees them.
    pub(crate) lower_case: bool,
    pub(crate) name: String,
    pub(crate) digest: String,
    /// C.
    pub(crate) width: usize,
    pub(crate) max_tokens: usize,
    /// Prompts that go through the network at once.
    pub(crate) batch: usize,
}

/// A network's output for a batch, on the host.
pub(crate) struct Computed {
    /// `[B · L, C]`, of no meaning at padding; empty if tokens are not wanted.
    pub(crate) tokens: Vec<f32>,
    /// A vector of norm 1 for each prompt.
    pub(crate) pooled: Vec<Vec<f32>>,
}

impl Pipeline {
    /// The same, with at most `batch` prompts at once.
    pub(crate) fn with_batch(mut self, batch: usize) -> Result<Self, Error> {
        if batch == 0 {
            return Err(Error::ZeroBatch);
        }
        self.batch = batch;
        Ok(self)
    }

    /// Token ids of each prompt, with start and end.
    pub(crate) fn token_ids(&self, prompts: &[&str]) -> Result<Vec<TokenIds>, Error> {
        if !self.lower_case {
            return self.tokenizer.encode(prompts, &self.meaningless);
        }
        let prompts: Vec<String> = prompts.iter().map(|p| p.to_lowercase()).collect();
        let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
        self.tokenizer.encode(&prompts, &self.meaningless)
    }

    /// Cuts prompts into batches for `compute`, and its results into prompts.
    pub(crate) fn encode(
        &self,
        prompts: &[&str],
        compute: impl Fn(&Batch<'_>) -> Result<Computed, Error> + Sync,
    ) -> Result<Vec<EncodedPrompt>, Error> {
        let ids = self.token_ids(prompts)?;
        batches::run(&ids, self.batch, |batch| {
            let computed = compute(&batch)?;
            let rows = batch.length * self.width;
            let prompts = batch.prompts.iter().zip(computed.pooled).enumerate();
            Ok(prompts
                .map(|(i, (prompt, pooled))| {
                    let tokens = computed.tokens.get(i * rows..);
                    let tokens = tokens.and_then(|t| t.get(..prompt.ids.len() * self.width));
                    EncodedPrompt {
                        tokens: tokens.unwrap_or_default().to_vec(),
                        len: prompt.ids.len(),
                        pooled,
                        truncated: prompt.truncated,
                    }
                })
                .collect())
        })
    }
}
