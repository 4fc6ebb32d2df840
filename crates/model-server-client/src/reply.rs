//! Reading answers, which are untrusted.

use std::time::Duration;

use serde_json::Value;

use crate::ServerError;

/// Marks the place at which a message was shortened.
pub(crate) const CUT: &str = " ...";
/// The number of characters that are kept of a server's message.
const MESSAGE: usize = 300;

/// A [`ServerError::BadReply`]: the answer is complete, but not what the API promises.
pub fn bad_reply(message: impl Into<String>) -> ServerError {
    ServerError::BadReply {
        message: message.into(),
    }
}

/// The JSON value in an answer.
///
/// # Errors
/// Returns [`ServerError::BadReply`] if it is not JSON.
pub fn json(bytes: &[u8]) -> Result<Value, ServerError> {
    serde_json::from_slice(bytes).map_err(|error| bad_reply(format!("not JSON: {error}")))
}

/// What an error's body says, in the shapes of OpenAI (`error.message`), FastAPI (`detail`), ComfyUI
/// (`error.message`, `node_errors`) and Hugging Face (`error`).
pub(crate) fn explanation(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            let main = ["error", "detail", "message", "errors"]
                .iter()
                .find_map(|key| value.get(key).filter(|found| !found.is_null()))
                .map(|found| match found.get("message").unwrap_or(found) {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
            let nodes = value
                .get("node_errors")
                .filter(|nodes| nodes.as_object().is_some_and(|map| !map.is_empty()));
            match (main, nodes) {
                (Some(main), Some(nodes)) => format!("{main} {nodes}"),
                (Some(main), None) => main,
                (None, _) => value.to_string(),
            }
        }
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(4 * MESSAGE)]).into_owned(),
    };
    let text = shorten(&text);
    if text.is_empty() {
        "no explanation".to_owned()
    } else {
        text
    }
}

/// Hugging Face's answer while a model loads: `{"error": ..., "estimated_time": 20.0}`.
pub(crate) fn estimated_time(body: &[u8]) -> Option<Duration> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let seconds = value.get("estimated_time")?.as_f64()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// One line of at most 300 characters without control characters, of a text that a server sent.
pub fn shorten(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE)
        .collect();
    if text.chars().nth(MESSAGE).is_some() {
        out.push_str(CUT);
    }
    out.trim().to_owned()
}
