use serde_json::{Map, Value, json};

use super::client::Client;
use super::credentials::Credentials;
use super::reply;
use super::request::Request;
use super::settings::HttpSettings;
use crate::prompts::{ChatModel, ChatReply, ChatRequest, Embed};
use crate::{Error, ServerError};

/// What a [`ChatClient`] asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatSettings {
    /// The model's name, as the server knows it.
    pub model: String,
    /// Sampling temperature; `None` leaves it to the server.
    pub temperature: Option<f32>,
    /// The field that holds the longest answer in tokens: `max_tokens`, or `max_completion_tokens` for OpenAI's
    /// reasoning models.
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
/// use concepts::http::{ChatClient, ChatSettings, Credentials, HttpSettings};
///
/// let ollama = ChatClient::new(
///     "http://127.0.0.1:11434/v1", ChatSettings::new("llama3.2"), HttpSettings::default(), Credentials::none(),
/// )?;
/// let openai = ChatClient::new(
///     "https://api.openai.com/v1", ChatSettings::new("gpt-4o-mini"), HttpSettings::default(),
///     Credentials::bearer_from_env("OPENAI_API_KEY")?,
/// )?;
/// # Ok::<(), concepts::Error>(())
/// ```
#[derive(Debug)]
pub struct ChatClient {
    client: Client,
    settings: ChatSettings,
}

impl ChatClient {
    /// The server whose API is below `base`, which mostly ends in `/v1`.
    ///
    /// # Errors
    /// [`Error::BadSetting`]. The server is not asked.
    pub fn new(
        base: &str,
        settings: ChatSettings,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        check_model(&settings.model)?;
        Ok(Self {
            client: Client::new("chat", base, http, credentials)?,
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
            .map_err(|error| self.client.fail(error))?;
        Ok(ChatReply {
            unanswered: answer.unanswered,
            ..answer.value
        })
    }
}

fn read_completion(body: &[u8]) -> Result<ChatReply, ServerError> {
    let value = reply::json(body)?;
    // Some servers answer 200 with an error in the body.
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(reply::bad(reply::shorten(&error.to_string())));
    }
    let choice = value
        .get("choices")
        .and_then(|choices| choices.get(0))
        .ok_or_else(|| reply::bad("no \"choices\""))?;
    let text = choice
        .get("message")
        .and_then(|message| message.get("content"))
        .and_then(Value::as_str)
        .ok_or_else(|| reply::bad("the first choice has no text"))?;
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

/// Texts as vectors from an OpenAI-compatible server: `POST BASE/embeddings`.
#[derive(Debug)]
pub struct EmbeddingClient {
    client: Client,
    model: String,
}

/// Texts in one request.
const BATCH: usize = 64;

impl EmbeddingClient {
    /// The server whose API is below `base`, and the embedding model's name there.
    ///
    /// # Errors
    /// [`Error::BadSetting`]. The server is not asked.
    pub fn new(
        base: &str,
        model: &str,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        check_model(model)?;
        Ok(Self {
            client: Client::new("embeddings", base, http, credentials)?,
            model: model.to_owned(),
        })
    }
}

impl Embed for EmbeddingClient {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let body = json!({ "model": self.model, "input": batch, "encoding_format": "float" });
            let answer = self
                .client
                .call(&Request::json("/embeddings", &body), |bytes| {
                    read_embeddings(bytes, batch.len())
                })
                .map_err(|error| self.client.fail(error))?;
            vectors.extend(answer.value);
        }
        Ok(vectors)
    }
}

/// `{"data": [{"index": 0, "embedding": [...]}, ...]}`, in any order.
fn read_embeddings(body: &[u8], count: usize) -> Result<Vec<Vec<f32>>, ServerError> {
    let value = reply::json(body)?;
    let data = value
        .get("data")
        .and_then(Value::as_array)
        .filter(|data| data.len() == count)
        .ok_or_else(|| reply::bad(format!("\"data\" does not hold {count} entries")))?;
    let mut vectors = vec![Vec::new(); count];
    for entry in data {
        let index = entry
            .get("index")
            .and_then(Value::as_u64)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|&index| index < count && vectors[index].is_empty())
            .ok_or_else(|| reply::bad("an entry has no index of its own"))?;
        vectors[index] = entry
            .get("embedding")
            .and_then(Value::as_array)
            .and_then(|numbers| {
                numbers
                    .iter()
                    .map(|number| number.as_f64().map(|number| number as f32))
                    .collect::<Option<Vec<f32>>>()
            })
            .filter(|vector| !vector.is_empty() && vector.iter().all(|v| v.is_finite()))
            .ok_or_else(|| reply::bad("an entry has no vector of numbers"))?;
    }
    if vectors
        .iter()
        .any(|vector| vector.len() != vectors[0].len())
    {
        return Err(reply::bad("the vectors have different lengths"));
    }
    Ok(vectors)
}

fn check_model(model: &str) -> Result<(), Error> {
    if model.trim().is_empty() {
        return Err(Error::BadSetting {
            setting: "model",
            message: "is empty; pass the name that the server lists".to_owned(),
        });
    }
    Ok(())
}
