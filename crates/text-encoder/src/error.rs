//! What can go wrong.

use std::path::PathBuf;

/// Errors of this crate. `file` is a path, or `embedded:NAME` for the asset compiled into the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No prompt was given: the batch would be empty.
    #[error("no prompts given: pass at least one")]
    NoPrompts,

    /// A prompt is empty or whitespace, or holds no token that the encoder knows (for example only emoji).
    #[error(
        "{} {prompt:?} holds no word the text encoder knows; describe the concept in words",
        numbered(*index)
    )]
    EmptyPrompt {
        /// Position in the slice of prompts.
        index: usize,
        /// The prompt's first 80 characters.
        prompt: String,
    },

    /// The tokenizer failed on a prompt.
    #[error("{} could not be tokenized: {message}", numbered(*index))]
    Tokenize {
        /// Position in the slice of prompts.
        index: usize,
        /// What the tokenizer said.
        message: String,
    },

    /// `max_tokens` was set to zero.
    #[error("max_tokens is 0: it must be at least 1")]
    ZeroMaxTokens,

    /// A file could not be read or written, is damaged, or holds a NaN or infinite weight.
    #[error(transparent)]
    File(#[from] tensor_file::Error),

    /// A folder holds no weights.
    #[error("no weights in {}: expected {expected}", dir.display())]
    NoWeights {
        /// The folder.
        dir: PathBuf,
        /// The files that would do.
        expected: &'static str,
    },

    /// A metadata entry of the weights is missing or not what this version reads.
    #[error("{file}: metadata {key:?} is {found:?}, expected {expected}")]
    Metadata {
        /// The file.
        file: String,
        /// The entry.
        key: &'static str,
        /// Its value, if there.
        found: Option<String>,
        /// The values that are accepted.
        expected: &'static str,
    },

    /// A tensor of the weights is missing, or has another element type or shape than the configuration says.
    #[error("{file}: tensor {tensor:?} is {found}, expected {expected}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// What the file has.
        found: String,
        /// What is expected.
        expected: String,
    },

    /// A tensor holds a value that is NaN, infinite or negative, or a token with a weight has no row.
    #[error("{file}: tensor {tensor:?}, row {row}: {what}")]
    Value {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: &'static str,
        /// The row, which is the token's id.
        row: usize,
        /// What is wrong with it.
        what: &'static str,
    },

    /// The tokenizer file could not be parsed.
    #[error("{file} is not a tokenizer that can be read: {message}")]
    Tokenizer {
        /// The file.
        file: String,
        /// What the parser said.
        message: String,
    },

    /// Weights and tokenizer do not belong together.
    #[error(
        "{weights} has rows for {rows} tokens, but {tokenizer} needs {vocabulary}: the two files do not belong together"
    )]
    VocabularyMismatch {
        /// The weights' file.
        weights: String,
        /// Rows in the weights.
        rows: usize,
        /// The tokenizer's file.
        tokenizer: String,
        /// Rows that the tokenizer's ids need.
        vocabulary: usize,
    },

    /// Two vectors to compare differ in length.
    #[error(
        "cannot compare vectors of {left} and {right} entries: they come from different encoders"
    )]
    WidthMismatch {
        /// Entries of the first.
        left: usize,
        /// Entries of the second.
        right: usize,
    },

    /// A vector to compare holds NaN or infinity.
    #[error("cannot compare vectors with entries that are not finite")]
    NotFinite,

    /// There is nothing to choose the nearest from.
    #[error("no candidates to choose the nearest from")]
    NoCandidates,

    /// A configuration file is not valid JSON, or a field has the wrong type.
    #[error("{file} could not be parsed ({source}): fetch it again")]
    Json {
        /// The file.
        file: String,
        /// What the parser found.
        source: serde_json::Error,
    },

    /// A configuration asks for what this crate does not compute, or contradicts itself.
    #[error("{file}: {field} is {found}, expected {expected}")]
    Config {
        /// The file.
        file: String,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// The values that are accepted.
        expected: String,
    },

    /// A folder holds no tokenizer.
    #[error("no tokenizer in {}: expected {expected}", dir.display())]
    NoTokenizer {
        /// The folder.
        dir: PathBuf,
        /// The files that would do.
        expected: &'static str,
    },

    /// The batch size was set to zero.
    #[error("the batch size is 0: it must be at least 1")]
    ZeroBatch,

    /// An encoder returned a prompt whose tokens do not have the width that it declares.
    #[error("the text encoder contradicts itself: {0}")]
    Width(#[from] encoded_text::Error),

    /// A result could not be read back from the device.
    #[error("could not read the embeddings from the device: {message}")]
    Readback {
        /// What the backend said.
        message: String,
    },

    /// A model could not be fetched from the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::HubError),
}

/// The prompt at `index`; the first one may be the only one.
fn numbered(index: usize) -> String {
    match index {
        0 => "the prompt".to_owned(),
        _ => format!("prompt number {}", index + 1),
    }
}
