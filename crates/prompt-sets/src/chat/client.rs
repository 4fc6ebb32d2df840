use model_server_client::{
    Client, Credentials, HttpSettings, Request, ServerError, bad_reply, json as read_json, shorten,
};
use serde_json::{Map, Value, json};

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
        let answer = self
            .client
            .call(&Request::json("/chat/completions", &body), read_completion)
            .map_err(|error| Error::Model {
                model: self.settings.model.clone(),
                unanswered: error.unanswered(),
                source: error.into(),
            })?;
        Ok(ChatReply {
            unanswered: answer.unanswered,
            ..answer.value
        })
    }
}

pub(crate) fn read_completion(body: &[u8]) -> Result<ChatReply, ServerError> {
    let value = read_json(body)?;
    // Some servers answer 200 with an error in the body.
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(bad_reply(shorten(&error.to_string())));
    }
    let choice = value
        .get("choices")
        .and_then(|choices| choices.get(0))
        .ok_or_else(|| bad_reply("no \"choices\""))?;
    let text = choice
        .get("message")
        .and_then(|message| message.get("content"))
        .and_then(Value::as_str)
        .ok_or_else(|| bad_reply("the first choice has no text"))?;
    let tokens = |key| {
        value
            .get("usage")
            .and_then(|usage| usage.get(key)?.as_u64())
    };
    Ok(ChatReply {
        text: text.to_owned(),
        cut: choice.get("finish_reason").and_then(Value::as_str) == Some("length"),
        prompt_tokens: tokens("prompt_tokens"),
        completion_tokens: tokens("completion_tokens"),
        unanswered: 0,
    })
}
