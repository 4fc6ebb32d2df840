use std::path::PathBuf;

use resumable_runs::Error as FileError;

use crate::Category;

/// What can go wrong while a prompt data set is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read, written or locked, or is not the text or JSON that is expected.
    #[error(transparent)]
    File(#[from] FileError),

    /// A server's address, its HTTP settings or its credentials cannot work.
    #[cfg(feature = "http")]
    #[error(transparent)]
    Setup(#[from] model_server_client::SetupError),

    /// The name of a model is empty.
    #[cfg(feature = "http")]
    #[error("the model's name is empty; pass the name that the server lists")]
    NoModelName,

    /// A [`ChatModel`](crate::chat::ChatModel) failed.
    #[error("the chat model {model} failed: {source}")]
    Model {
        /// The model's name.
        model: String,
        /// How many attempts may have been served, and charged for, although no usable answer came. They count as spent.
        unanswered: u32,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A chat model's answer is all reasoning.
    #[cfg(feature = "http")]
    #[error(
        "the answer of {model} went into its reasoning ({place}), and no text is left; raise {limit}, which is {tokens}, \
         or switch the reasoning off with a field of the request, such as reasoning_effort or chat_template_kwargs"
    )]
    InReasoning {
        /// The model's name.
        model: String,
        /// Where the reasoning stands.
        place: String,
        /// The request's field that limits the answer.
        limit: String,
        /// The longest answer in tokens.
        tokens: u32,
        /// How many attempts may have been served, and charged for, this one included.
        unanswered: u32,
    },

    /// A chat model, or a filter in front of it, refused to answer.
    #[cfg(feature = "http")]
    #[error(
        "{model} refused to answer: {message}; change the templates of the questions, or use another model"
    )]
    Refused {
        /// The model's name.
        model: String,
        /// What it said, shortened.
        message: String,
        /// How many attempts may have been served, and charged for, this one included.
        unanswered: u32,
    },

    /// A [`TextEmbedder`](crate::embed::TextEmbedder) failed.
    #[error("the texts cannot be embedded: {source}")]
    Embedder {
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A text embedder returned another number of vectors than it got texts.
    #[error("the text embedder returned {vectors} vectors for {texts} texts")]
    VectorCount {
        /// The number of vectors.
        vectors: usize,
        /// The number of texts.
        texts: usize,
    },

    /// A text embedder returned vectors of several lengths.
    #[error("the text embedder returned vectors of {first} and of {other} numbers")]
    VectorLength {
        /// The length of the first vector.
        first: usize,
        /// The length of another one.
        other: usize,
    },

    /// A text embedder returned a vector with a NaN or infinite number, or one whose norm overflows.
    #[error("the text embedder returned a vector that is not finite")]
    NonFiniteVector,

    /// A combination rule cannot be used.
    #[error(
        "the combination rule {template:?} of {} and {} must contain {{a}} and {{b}} and combine two categories",
        a.name(), b.name()
    )]
    BadPairRule {
        /// The rule's template.
        template: String,
        /// The category of `{a}`.
        a: Category,
        /// The category of `{b}`.
        b: Category,
    },

    /// Holding out so many concepts would leave none of the category to train on.
    #[error(
        "{wanted} of the {members} concepts of category {} cannot be held out; add concepts or hold out fewer",
        category.name()
    )]
    TooManyHeldOut {
        /// The category.
        category: Category,
        /// The number of concepts to hold out.
        wanted: usize,
        /// The number of concepts of the category.
        members: usize,
    },

    /// The folder of templates does not exist.
    #[error("the folder {} does not exist; create it or pass another folder", path.display())]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A template lacks a placeholder without which its question makes no sense.
    #[error("{} has no {placeholder}; add it", path.display())]
    MissingPlaceholder {
        /// The template's file.
        path: PathBuf,
        /// The placeholder.
        placeholder: &'static str,
    },

    /// A line of a journal before the last is broken.
    #[error(
        "{}: line {line} is not an answer of a chat model: {source}; remove the line, and the question is asked again",
        path.display()
    )]
    BrokenJournal {
        /// The journal.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// The parser's answer.
        source: serde_json::Error,
    },

    /// An answer is too long for a journal.
    #[error(
        "{}: an answer of {length} bytes does not fit into a line of {limit}; ask for fewer tokens",
        path.display()
    )]
    LongAnswer {
        /// The journal.
        path: PathBuf,
        /// The length of the line in bytes.
        length: usize,
        /// The longest line in bytes.
        limit: u64,
    },
}

impl Error {
    /// Attempts that a model may have served, and charged for, although no usable answer came.
    pub(crate) fn unanswered(&self) -> u32 {
        match self {
            Self::Model { unanswered, .. } => *unanswered,
            #[cfg(feature = "http")]
            Self::InReasoning { unanswered, .. } | Self::Refused { unanswered, .. } => *unanswered,
            _ => 0,
        }
    }
}
