//! Chat models: the trait, and a client of OpenAI-compatible servers.

#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
pub(crate) mod completion;

#[cfg(feature = "http")]
pub use client::{ChatClient, ChatSettings};

use crate::Error;

/// A question to a chat model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    /// The system message: what the model should be.
    pub system: String,
    /// The user message: the question.
    pub user: String,
    /// The longest answer in tokens.
    pub max_tokens: u32,
    /// Seed of the sampling, if the server supports one.
    pub seed: u64,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatReply {
    /// The text.
    pub text: String,
    /// Whether the answer ended at [`ChatRequest::max_tokens`], probably within an entry.
    pub cut: bool,
    /// Tokens of the question, if the server counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, likewise.
    pub completion_tokens: Option<u64>,
    /// Earlier attempts that may have been served, and charged for, although no answer arrived.
    pub unanswered: u32,
}

/// A chat model: [`ChatClient`] with feature `http`, or one of your own.
#[cfg_attr(not(feature = "http"), allow(rustdoc::broken_intra_doc_links))]
pub trait ChatModel {
    /// The model's name, for the journal.
    fn name(&self) -> &str;

    /// Everything else that decides its answers (temperature, server, ...), for the journal, which does not take one model's
    /// answer for another's. Default: nothing.
    fn parameters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Answers a request.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if there is no answer; its `unanswered` attempts count as spent.
    fn complete(&self, request: &ChatRequest) -> Result<ChatReply, Error>;
}
