//! The static encoder: one vector per vocabulary token, no network pass.

mod table;

use std::path::Path;

use encoded_text::EncodedPrompt;
use tensor_file::digest::Sha256;
use tokenizers::Tokenizer;

use crate::files::{io, read_small};
use crate::tokens::guarded;
use crate::{Error, TextEncoder};
use table::Table;

/// Name of the weights' file inside an encoder folder.
pub const WEIGHTS_FILE: &str = "static.safetensors";
/// Name of the tokenizer's file inside an encoder folder.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// Tokens of a prompt that are kept, unless set with [`StaticEncoder::with_max_tokens`].
pub const DEFAULT_MAX_TOKENS: usize = 32;

/// A static text encoder distilled as by Model2Vec (MinishLab): WordPiece tokens are looked up in a table.
///
/// - A token row is the PCA-reduced output embedding of that token alone in the model, divided by its RMS: every row has
///   unit variance (norm √C up to int8 rounding), so that no word dominates cross-attention by its norm.
/// - The pooled vector is Σ wᵢ·rowᵢ over the kept tokens, L2-normalised. wᵢ is the row's RMS before scaling times the
///   SIF weight a/(a + p), p Zipf over the vocabulary's order, a = 1e-4 (Arora et al. 2017, as Model2Vec applies it).
/// - There are no `[CLS]` or `[SEP]` tokens. Unknown and special tokens (weight 0) are skipped, even if the prompt spells them out.
#[derive(Debug)]
pub struct StaticEncoder {
    table: Table,
    tokenizer: Tokenizer,
    digest: String,
    max_tokens: usize,
}

/// One prompt's token ids after skipping and cutting.
struct Kept {
    ids: Vec<usize>,
    truncated: bool,
}

impl StaticEncoder {
    /// The encoder compiled into the library: `static-minilm-128`, from all-MiniLM-L6-v2.
    ///
    /// Copies 4 MB and parses the vocabulary, which takes tens of milliseconds: create it once and share it.
    ///
    /// # Errors
    ///
    /// Those of [`from_dir`](Self::from_dir), if the library was compiled with a damaged asset.
    #[cfg(feature = "embedded")]
    pub fn embedded() -> Result<Self, Error> {
        Self::from_bytes(
            include_bytes!("../../assets/static.safetensors"),
            "embedded:static.safetensors",
            include_bytes!("../../assets/tokenizer.json"),
            "embedded:tokenizer.json",
        )
    }

    /// Reads [`WEIGHTS_FILE`] and [`TOKENIZER_FILE`] from a folder.
    ///
    /// The weights hold `rows` (int8 `[V, C]`), `scale` (f32 `[V]`, row = int8 × scale) and `weight` (f32 `[V]`, the
    /// pooling weight, 0 for tokens to skip), and the metadata `format` = `static-text-encoder`,
    /// `format_version` = `1` and `name`.
    ///
    /// # Errors
    ///
    /// Each error names the file: [`Error::File`] if one cannot be read or is damaged, [`Error::Metadata`],
    /// [`Error::Tensor`] for a wrong type or shape, [`Error::Value`] for a row or weight that is NaN, infinite, negative or
    /// all zero, [`Error::Tokenizer`], and [`Error::VocabularyMismatch`].
    pub fn from_dir(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let weights_path = path.join(WEIGHTS_FILE);
        let weights = std::fs::read(&weights_path);
        let weights = weights.map_err(|source| io(&weights_path, source))?;
        let tokenizer_path = path.join(TOKENIZER_FILE);
        let tokenizer = read_small(&tokenizer_path)?;
        let (weights_name, tokenizer_name) = (
            weights_path.display().to_string(),
            tokenizer_path.display().to_string(),
        );
        Self::from_bytes(&weights, &weights_name, &tokenizer, &tokenizer_name)
    }

    /// The same encoder, keeping at most `max_tokens` tokens of a prompt. The digest does not change.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ZeroMaxTokens`] if `max_tokens` is 0.
    pub fn with_max_tokens(mut self, max_tokens: usize) -> Result<Self, Error> {
        if max_tokens == 0 {
            return Err(Error::ZeroMaxTokens);
        }
        self.max_tokens = max_tokens;
        Ok(self)
    }

    fn from_bytes(
        weights: &[u8],
        weights_name: &str,
        tokenizer: &[u8],
        tokenizer_name: &str,
    ) -> Result<Self, Error> {
        let table = Table::parse(weights, weights_name)?;
        let bad = |message: String| Error::Tokenizer {
            file: tokenizer_name.into(),
            message,
        };
        let digest = digest(weights, tokenizer);
        let mut tokenizer = guarded(|| Tokenizer::from_bytes(tokenizer)).map_err(bad)?;
        guarded(|| tokenizer.with_truncation(None).map(|_| ())).map_err(bad)?;
        tokenizer.with_padding(None);

        // The rows that the tokenizer needs; if its ids have gaps, the largest one decides.
        let vocabulary = tokenizer.get_vocab(true);
        let needed = vocabulary
            .values()
            .max()
            .map_or(0, |&id| id as usize + 1)
            .max(vocabulary.len());
        if needed != table.len() {
            return Err(Error::VocabularyMismatch {
                weights: weights_name.into(),
                rows: table.len(),
                tokenizer: tokenizer_name.into(),
                vocabulary: needed,
            });
        }
        Ok(Self {
            table,
            tokenizer,
            digest,
            max_tokens: DEFAULT_MAX_TOKENS,
        })
    }

    /// Token ids of each prompt: known tokens only, the first `max_tokens` of them.
    fn kept(&self, prompts: &[&str]) -> Result<Vec<Kept>, Error> {
        if prompts.is_empty() {
            return Err(Error::NoPrompts);
        }
        let one = |(index, prompt): (usize, &&str)| {
            let encoding = guarded(|| self.tokenizer.encode_fast(*prompt, false))
                .map_err(|message| Error::Tokenize { index, message })?;
            let known = encoding.get_ids().iter().map(|&id| id as usize);
            let mut ids: Vec<usize> = known.filter(|&id| self.table.weight(id) > 0.0).collect();
            if ids.is_empty() {
                return Err(Error::EmptyPrompt {
                    index,
                    prompt: prompt.chars().take(80).collect(),
                });
            }
            let truncated = ids.len() > self.max_tokens;
            ids.truncate(self.max_tokens);
            Ok(Kept { ids, truncated })
        };
        prompts.iter().enumerate().map(one).collect()
    }
}

impl TextEncoder for StaticEncoder {
    fn name(&self) -> &str {
        self.table.name()
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn width(&self) -> usize {
        self.table.width()
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error> {
        let prompts = self.kept(prompts)?;
        let one = |kept: Kept| EncodedPrompt {
            tokens: (kept.ids.iter().flat_map(|&id| self.table.row(id))).collect(),
            len: kept.ids.len(),
            pooled: self.table.pool(&kept.ids),
            truncated: kept.truncated,
        };
        Ok(prompts.into_iter().map(one).collect())
    }

    fn encode_pooled(&self, prompts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        Ok(self
            .kept(prompts)?
            .iter()
            .map(|k| self.table.pool(&k.ids))
            .collect())
    }
}

/// SHA-256 over the weights' bytes followed by the tokenizer's, lower-case hex.
fn digest(weights: &[u8], tokenizer: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(weights);
    digest.update(tokenizer);
    digest.finish_hex()
}
