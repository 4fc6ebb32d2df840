//! Hugging Face tokenizers with a limit on the length.

use std::collections::HashSet;

use rayon::prelude::*;
use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use crate::{Error, guard};

/// A prompt's token ids, with the start and end tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIds {
    /// The ids kept, at most the encoder's `max_tokens`.
    pub ids: Vec<u32>,
    /// Whether tokens were cut off. The end token is kept nevertheless.
    pub truncated: bool,
}

/// A tokenizer that adds one token before and one after each prompt.
#[derive(Debug)]
pub(crate) struct PromptTokenizer {
    tokenizer: Tokenizer,
    start: u32,
    end: u32,
    special: HashSet<u32>,
    max_tokens: usize,
    vocabulary: usize,
}

impl PromptTokenizer {
    /// Parses a `tokenizer.json`; `file` names it in errors. Its own truncation and padding are replaced by
    /// `max_tokens` and no padding, as `transformers` does when it is given a length. `vocabulary` is the number of rows
    /// in the embedding table that the ids are for.
    pub(crate) fn parse(
        bytes: &[u8],
        file: &str,
        max_tokens: usize,
        vocabulary: usize,
    ) -> Result<Self, Error> {
        let bad = |message: String| Error::Tokenizer {
            file: file.into(),
            message,
        };
        let mut tokenizer = guarded(|| Tokenizer::from_bytes(bytes)).map_err(bad)?;
        tokenizer.with_padding(None);
        let added = tokenizer
            .get_post_processor()
            .map_or(0, |p| p.added_tokens(false));
        if added != 2 {
            return Err(bad(format!(
                "it adds {added} tokens to a prompt, expected one before and one after"
            )));
        }
        let truncation = TruncationParams {
            max_length: max_tokens,
            ..TruncationParams::default()
        };
        guarded(|| tokenizer.with_truncation(Some(truncation)).map(|_| ())).map_err(bad)?;
        let probe = guarded(|| tokenizer.encode_fast("a", true)).map_err(bad)?;
        let (start, end) = match probe.get_ids() {
            [start, _, .., end] => (*start, *end),
            ids => {
                return Err(bad(format!(
                    "it turns \"a\" into the tokens {ids:?}, expected one before and one after"
                )));
            }
        };
        let decoder = tokenizer.get_added_tokens_decoder();
        let special = decoder.iter().filter(|(_, token)| token.special);
        let special = special.map(|(&id, _)| id).collect();
        Ok(Self {
            tokenizer,
            start,
            end,
            special,
            max_tokens,
            vocabulary,
        })
    }

    /// Id of the token put before each prompt.
    pub(crate) fn start(&self) -> u32 {
        self.start
    }

    /// Id of the token put after each prompt.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// Ids marked as special, such as padding, unknown, start and end.
    pub(crate) fn special(&self) -> &HashSet<u32> {
        &self.special
    }

    /// Rows that an embedding table needs for the ids of this tokenizer.
    pub(crate) fn rows(&self) -> usize {
        let vocabulary = self.tokenizer.get_vocab(true);
        vocabulary.values().max().map_or(0, |&id| id as usize + 1)
    }

    /// Ids of each prompt.
    ///
    /// # Errors
    ///
    /// [`Error::NoPrompts`]; [`Error::EmptyPrompt`] for the first prompt without a token outside of `meaningless`;
    /// [`Error::Tokenize`].
    pub(crate) fn encode(
        &self,
        prompts: &[&str],
        meaningless: &HashSet<u32>,
    ) -> Result<Vec<TokenIds>, Error> {
        if prompts.is_empty() {
            return Err(Error::NoPrompts);
        }
        let one = |(index, prompt): (usize, &&str)| {
            let encoding = guarded(|| self.tokenizer.encode_fast(*prompt, true))
                .map_err(|message| Error::Tokenize { index, message })?;
            let ids = encoding.get_ids().to_vec();
            if ids.iter().all(|id| meaningless.contains(id)) {
                return Err(Error::EmptyPrompt {
                    index,
                    prompt: prompt.chars().take(80).collect(),
                });
            }
            // A post-processor may have ids and counts of its own, which the check of the vocabulary does not see.
            let beyond = ids.iter().find(|&&id| id as usize >= self.vocabulary);
            if let Some(id) = beyond {
                let message = format!("token {id} is beyond the {} embeddings", self.vocabulary);
                return Err(Error::Tokenize { index, message });
            }
            if ids.len() > self.max_tokens {
                let message = format!("{} tokens after cutting to {}", ids.len(), self.max_tokens);
                return Err(Error::Tokenize { index, message });
            }
            Ok(TokenIds {
                ids,
                truncated: !encoding.get_overflowing().is_empty(),
            })
        };
        // Collected first, so that the error is that of the first prompt that fails.
        let ids: Vec<Result<TokenIds, Error>> = prompts.par_iter().enumerate().map(one).collect();
        ids.into_iter().collect()
    }
}

/// Runs the tokenizers crate, and turns its panics on files that contradict themselves into errors.
pub(crate) fn guarded<T>(run: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    guard::guarded("the tokenizer contradicts itself and could not be run", run)
}
