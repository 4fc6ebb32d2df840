use crate::Error;

/// A question to a chat model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRequest {
    /// What the model is to be.
    pub system: String,
    /// What it is asked.
    pub user: String,
    /// The longest answer in tokens.
    pub max_tokens: u32,
    /// Seed of the sampling, where the server supports one.
    pub seed: u64,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatReply {
    /// The text.
    pub text: String,
    /// Whether the answer ended at [`ChatRequest::max_tokens`], probably within an entry.
    pub cut: bool,
    /// Tokens of the question, where the server counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, likewise.
    pub completion_tokens: Option<u64>,
    /// Earlier attempts that may have been served, and charged, although no answer arrived.
    pub unanswered: u32,
}

/// A chat model: [`ChatClient`](crate::http::ChatClient) with feature `http`, or one of your own.
#[cfg_attr(not(feature = "http"), allow(rustdoc::broken_intra_doc_links))]
pub trait ChatModel {
    /// The model's name, for the journal.
    fn name(&self) -> &str;

    /// What else decides its answers (temperature, server, ...), for the journal; the same answer is not taken for
    /// another model's. Default: nothing.
    fn parameters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// Answers a request.
    ///
    /// # Errors
    /// When no answer can be had. Of [`Error::Server`] the attempts that may have been charged count as spent.
    fn complete(&self, request: &ChatRequest) -> Result<ChatReply, Error>;
}
