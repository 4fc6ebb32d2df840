use model_server_client::{Client, Credentials, HttpSettings, Request};
use serde_json::{Map, Value, json};

use super::completion::{Completion, read_completion};
use super::{ChatModel, ChatReply, ChatRequest};
use crate::Error;

/// What a [`ChatClient`] requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatSettings {
    /// The model's name, as the server knows it.
    pub model: String,
    /// Sampling temperature. `None` leaves it to the server.
    pub temperature: Option<f32>,
    /// The field for the longest answer in tokens: `max_tokens`, or `max_completion_tokens` for OpenAI's reasoning models.
    pub limit_field: String,
    /// Further fields of the request.
    pub extra: Map<String, Value>,
}

impl ChatSettings {
    /// Defaults for a model: temperature 1, `max_tokens`.
    pub fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            temperature: Some(1.0),
            limit_field: "max_tokens".to_owned(),
            extra: Map::new(),
        }
    }
}

/// An OpenAI-compatible server (llama.cpp, vLLM, Ollama, OpenAI, ...): `POST BASE/chat/completions`.
///
/// ```no_run
/// use model_server_client::{Credentials, HttpSettings};
/// use prompt_sets::chat::{ChatClient, ChatSettings};
///
/// let ollama = ChatClient::new(
///     "http://127.0.0.1:11434/v1", ChatSettings::new("llama3.2"), HttpSettings::default(), Credentials::none(),
/// )?;
/// let openai = ChatClient::new(
///     "https://api.openai.com/v1", ChatSettings::new("gpt-4o-mini"), HttpSettings::default(),
///     Credentials::bearer_from_env("OPENAI_API_KEY")?,
/// )?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ChatClient {
    client: Client,
    settings: ChatSettings,
}

impl ChatClient {
    /// A client of the API below `base`, which usually ends in `/v1`. The server is not contacted.
    ///
    /// # Errors
    /// Returns [`Error::NoModelName`], and [`Error::Setup`] if the address or the settings cannot work.
    pub fn new(
        base: &str,
        settings: ChatSettings,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        if settings.model.trim().is_empty() {
            return Err(Error::NoModelName);
        }
        Ok(Self {
            client: Client::new(base, http, credentials)?,
            settings,
        })
    }
}

impl ChatModel for ChatClient {
    fn name(&self) -> &str {
        &self.settings.model
    }

    fn parameters(&self) -> Value {
        json!({
            "server": self.client.base(),
            "temperature": self.settings.temperature,
            "extra": self.settings.extra,
        })
    }

    fn complete(&self, request: &ChatRequest) -> Result<ChatReply, Error> {
        let mut body = json!({
            "model": self.settings.model,
            "messages": [
                { "role": "system", "content": request.system },
                { "role": "user", "content": request.user },
            ],
            "seed": request.seed,
            "stream": false,
        });
        body[&self.settings.limit_field] = json!(request.max_tokens);
        if let Some(temperature) = self.settings.temperature {
            body["temperature"] = json!(temperature);
        }
        for (key, value) in &self.settings.extra {
            body[key] = value.clone();
        }
        let model = || self.settings.model.clone();
        let answer = self
            .client
            .call(&Request::json("/chat/completions", &body), read_completion)
            .map_err(|error| Error::Model {
                model: model(),
                unanswered: error.unanswered(),
                source: error.into(),
            })?;
        let unanswered = answer.unanswered;
        match answer.value {
            Completion::Answer(reply) => Ok(ChatReply {
                unanswered,
                ..reply
            }),
            Completion::InReasoning(place) => Err(Error::InReasoning {
                model: model(),
                place,
                limit: self.settings.limit_field.clone(),
                tokens: request.max_tokens,
                unanswered: unanswered + 1,
            }),
            Completion::Refused(message) => Err(Error::Refused {
                model: model(),
                message,
                unanswered: unanswered + 1,
            }),
        }
    }
}
