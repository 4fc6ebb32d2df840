use model_server_client::{
    Client, Credentials, HttpSettings, Request, ServerError, bad_reply, json,
};
use serde_json::Value;

use super::TextEmbedder;
use crate::Error;

/// Texts as vectors from an OpenAI-compatible server: `POST BASE/embeddings`.
#[derive(Debug)]
pub struct EmbeddingClient {
    client: Client,
    model: String,
}

/// The number of texts in one request.
const BATCH: usize = 64;

impl EmbeddingClient {
    /// A client of the API below `base` and its embedding model `model`. The server is not contacted.
    ///
    /// # Errors
    /// Returns [`Error::NoModelName`], and [`Error::Setup`] if the address or the settings cannot work.
    pub fn new(
        base: &str,
        model: &str,
        http: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        if model.trim().is_empty() {
            return Err(Error::NoModelName);
        }
        Ok(Self {
            client: Client::new(base, http, credentials)?,
            model: model.to_owned(),
        })
    }
}

impl TextEmbedder for EmbeddingClient {
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            let body = serde_json::json!({ "model": self.model, "input": batch, "encoding_format": "float" });
            let answer = self
                .client
                .call(&Request::json("/embeddings", &body), |bytes| {
                    read_embeddings(bytes, batch.len())
                })
                .map_err(|error| Error::Embedder {
                    source: error.into(),
                })?;
            vectors.extend(answer.value);
        }
        Ok(vectors)
    }
}

/// `{"data": [{"index": 0, "embedding": [...]}, ...]}`, in any order.
fn read_embeddings(body: &[u8], count: usize) -> Result<Vec<Vec<f32>>, ServerError> {
    let value = json(body)?;
    let data = value
        .get("data")
        .and_then(Value::as_array)
        .filter(|data| data.len() == count)
        .ok_or_else(|| bad_reply(format!("\"data\" does not hold {count} entries")))?;
    let mut vectors = vec![Vec::new(); count];
    for entry in data {
        let index = entry
            .get("index")
            .and_then(Value::as_u64)
            .and_then(|index| usize::try_from(index).ok())
            .filter(|&index| index < count && vectors[index].is_empty())
            .ok_or_else(|| bad_reply("an entry has no index of its own"))?;
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
            .ok_or_else(|| bad_reply("an entry has no vector of numbers"))?;
    }
    if vectors
        .iter()
        .any(|vector| vector.len() != vectors[0].len())
    {
        return Err(bad_reply("the vectors have different lengths"));
    }
    Ok(vectors)
}
