//! What an OpenAI-compatible server answers.

use model_server_client::{ServerError, bad_reply, json, shorten};
use serde_json::Value;

use super::ChatReply;
use crate::reasoning::without_reasoning;

/// The fields for reasoning: DeepSeek's and vLLM's, OpenRouter's and newer vLLM's, Ollama's.
const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];

/// A complete answer, usable or not. It was paid for, and a repeated request would bring the like.
#[derive(Debug)]
pub(crate) enum Completion {
    Answer(ChatReply),
    /// Nothing but reasoning, which stands in this place.
    InReasoning(String),
    /// The model, or a filter, refused.
    Refused(String),
}

/// Reads an answer of `/chat/completions`.
pub(crate) fn read_completion(body: &[u8]) -> Result<Completion, ServerError> {
    let value = json(body)?;
    let choice = value
        .get("choices")
        .and_then(|choices| choices.get(0))
        .ok_or_else(|| bad_reply("no \"choices\""))?;
    let null = Value::Null;
    let message = choice.get("message").unwrap_or(&null);
    let finish = choice.get("finish_reason").and_then(Value::as_str);
    let text = content(message);
    let blank = text.as_ref().is_none_or(|text| text.trim().is_empty());
    if blank && let Some(why) = refusal(message, finish) {
        return Ok(Completion::Refused(why));
    }
    if blank && let Some(place) = reasoning(message, &value, finish) {
        return Ok(Completion::InReasoning(place));
    }
    let text = text.ok_or_else(|| bad_reply("the first choice has no text"))?;
    if !blank && without_reasoning(&text).is_empty() {
        let place = "tags such as <think>".to_owned();
        return Ok(Completion::InReasoning(place));
    }
    let tokens = |key| {
        value
            .get("usage")
            .and_then(|usage| usage.get(key)?.as_u64())
    };
    Ok(Completion::Answer(ChatReply {
        text,
        // A filter stops an answer in the midst of an entry, too.
        cut: matches!(finish, Some("length" | "content_filter")),
        prompt_tokens: tokens("prompt_tokens"),
        completion_tokens: tokens("completion_tokens"),
        unanswered: 0,
    }))
}

/// The text of a message: a string, or a list of parts, of which those with thoughts are left out.
fn content(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let is_text = |part: &&Value| {
                let kind = part.get("type").and_then(Value::as_str);
                matches!(kind, None | Some("text" | "output_text"))
            };
            let texts = parts.iter().filter(is_text).filter_map(|part| {
                let text = part.get("text").unwrap_or(part);
                text.as_str()
            });
            Some(texts.collect::<Vec<_>>().concat())
        }
        _ => None,
    }
}

/// Why there is no text, if the model or a filter refused.
fn refusal(message: &Value, finish: Option<&str>) -> Option<String> {
    let said = message.get("refusal").and_then(Value::as_str);
    match said.filter(|said| !said.trim().is_empty()) {
        Some(said) => Some(shorten(said)),
        None => (finish == Some("content_filter"))
            .then(|| "its content filter withheld the answer".to_owned()),
    }
}

/// Where the answer went, if it is all reasoning, or was cut before it began.
fn reasoning(message: &Value, value: &Value, finish: Option<&str>) -> Option<String> {
    let filled = |key: &&str| match message.get(*key) {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(parts)) => !parts.is_empty(),
        _ => false,
    };
    if let Some(field) = REASONING.iter().find(|key| filled(key)) {
        return Some(format!("the field {field:?}"));
    }
    let parts = message.get("content").and_then(Value::as_array);
    if parts.is_some_and(|parts| !parts.is_empty()) {
        return Some("the parts of its content that are no text".to_owned());
    }
    // OpenAI keeps the reasoning back and counts it.
    let hidden = value["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64();
    match hidden.filter(|tokens| *tokens > 0) {
        Some(tokens) => Some(format!("{tokens} hidden tokens")),
        None => (finish == Some("length")).then(|| "nothing that is shown".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(message: Value, finish: &str, hidden: u64) -> Result<Completion, ServerError> {
        let body = json!({
            "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
            "usage": { "prompt_tokens": 3, "completion_tokens": 7,
                "completion_tokens_details": { "reasoning_tokens": hidden } },
        });
        read_completion(body.to_string().as_bytes())
    }

    fn answer(message: Value, finish: &str) -> ChatReply {
        match read(message, finish, 0) {
            Ok(Completion::Answer(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_come_whole_or_in_parts() {
        let parts = json!([{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "oil" },
            { "type": "text", "text": "\nBatik" }]);
        for content in [json!("oil\nBatik"), parts] {
            let reply = answer(
                json!({ "content": content, "reasoning_content": "hm" }),
                "stop",
            );
            assert_eq!((reply.text.as_str(), reply.cut), ("oil\nBatik", false));
            assert_eq!(
                (reply.prompt_tokens, reply.completion_tokens),
                (Some(3), Some(7))
            );
        }
        assert!(answer(json!({ "content": "oil" }), "length").cut);
        assert!(answer(json!({ "content": "oil\nBa" }), "content_filter").cut);
        assert!(
            read(json!({ "content": null }), "stop", 0)
                .unwrap_err()
                .is_transient()
        );
    }

    #[test]
    fn answers_that_are_all_reasoning_are_told() {
        for (message, finish, hidden, place) in [
            (
                json!({ "content": null, "reasoning_content": "hm" }),
                "length",
                0,
                "reasoning_content",
            ),
            (
                json!({ "content": "", "reasoning": "hm" }),
                "stop",
                0,
                "\"reasoning\"",
            ),
            (
                json!({ "content": " \n", "thinking": "hm" }),
                "stop",
                0,
                "thinking",
            ),
            (
                json!({ "content": [{ "type": "thinking", "thinking": [] }] }),
                "length",
                0,
                "parts",
            ),
            (
                json!({ "content": "" }),
                "length",
                1024,
                "1024 hidden tokens",
            ),
            (
                json!({ "content": "" }),
                "length",
                0,
                "nothing that is shown",
            ),
            (
                json!({ "content": "<think>oil\nBatik" }),
                "length",
                0,
                "<think>",
            ),
            (
                json!({ "content": "<thought>oil</thought>\n" }),
                "stop",
                0,
                "<think>",
            ),
        ] {
            match read(message.clone(), finish, hidden) {
                Ok(Completion::InReasoning(found)) => assert!(found.contains(place), "{found}"),
                other => panic!("{message}: {other:?}"),
            }
        }
    }

    #[test]
    fn refusals_are_told() {
        for (message, finish, why) in [
            (
                json!({ "content": null, "refusal": "I can't help with that." }),
                "stop",
                "can't help",
            ),
            (
                json!({ "content": null }),
                "content_filter",
                "content filter",
            ),
            (json!({ "content": "" }), "content_filter", "content filter"),
        ] {
            match read(message.clone(), finish, 0) {
                Ok(Completion::Refused(found)) => assert!(found.contains(why), "{found}"),
                other => panic!("{message}: {other:?}"),
            }
        }
    }
}
