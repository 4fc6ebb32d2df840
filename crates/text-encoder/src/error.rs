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
        "prompt {index} ({prompt:?}) holds no word the text encoder knows: describe the concept in words"
    )]
    EmptyPrompt {
        /// Position in the slice of prompts.
        index: usize,
        /// The prompt's first 80 characters.
        prompt: String,
    },

    /// The tokenizer failed on a prompt.
    #[error("prompt {index} could not be tokenized: {message}")]
    Tokenize {
        /// Position in the slice of prompts.
        index: usize,
        /// What the tokenizer said.
        message: String,
    },

    /// `max_tokens` was set to zero.
    #[error("max_tokens is 0: it must be at least 1")]
    ZeroMaxTokens,

    /// A file could not be read.
    #[error("could not read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// The weights are no valid safetensors file: truncated, damaged, or another format.
    #[error(
        "{file} is not a valid safetensors file ({source}): it may be truncated; make or fetch it again"
    )]
    Safetensors {
        /// The file.
        file: String,
        /// What the parser found.
        source: safetensors::SafeTensorError,
    },

    /// The weights are no PyTorch checkpoint that can be read: truncated, damaged, or another format.
    #[error(
        "{file} is not a PyTorch checkpoint that can be read ({message}): fetch it again, or use the model's safetensors file"
    )]
    Pytorch {
        /// The file.
        file: String,
        /// What the reader found.
        message: String,
    },

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
        /// What would be accepted.
        expected: &'static str,
    },

    /// A tensor of the weights is missing, or has another element type or shape than it should.
    #[error("{file}: tensor {tensor:?} is {found}, expected {expected}")]
    Tensor {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: &'static str,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },

    /// A tensor holds a value that cannot be: not finite, negative, or a weighted token without a row.
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

    /// A file of a checkpoint folder is larger than any such file should be.
    #[error("{} has {bytes} bytes, more than the {limit} that such a file may have: it is no file of this kind", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The largest size that is read.
        limit: u64,
    },

    /// A configuration file is no valid JSON, or a field has the wrong type.
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
        /// What would be accepted.
        expected: String,
    },

    /// A tensor of a checkpoint is missing, or has another element type or shape than its configuration says.
    #[error("{file}: tensor {tensor:?} is {found}, expected {expected}")]
    Checkpoint {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },

    /// A tensor of a checkpoint holds NaN or infinity.
    #[error(
        "{file}: tensor {tensor:?} holds {value} at position {position}: the file is damaged, fetch it again"
    )]
    CheckpointValue {
        /// The file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// Position in the flattened tensor.
        position: usize,
        /// The value.
        value: f32,
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

    /// A cache entry could not be written.
    #[error("could not write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },

    /// An embedding could not be put into a cache file.
    #[error("the embedding of prompt {prompt:?} cannot be stored: {message}")]
    Store {
        /// The prompt.
        prompt: String,
        /// Why not.
        message: String,
    },

    /// A result could not be read back from the device.
    #[error("could not read the embeddings from the device: {message}")]
    Readback {
        /// What the backend said.
        message: String,
    },

    /// A model could not be had from the hub.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::HubError),
}
