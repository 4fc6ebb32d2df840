//! Errors that servers report: by a status, or in an answer with status 200.

use std::time::Duration;

use serde_json::Value;

use crate::ServerError;
use crate::address::redacted;
use crate::foreign::{page_title, without_bom};
use crate::reply::{MESSAGE, bad_reply, shorten};

/// Codes of errors by which content filters show: OpenAI's, Azure's, Stability's, fal's.
const FILTER_CODES: [&str; 5] = [
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "content_moderation",
    "responsibleaipolicyviolation",
];
/// What the messages of filters without a code say (diffusers' safety checker, Replicate, OpenAI).
const FILTER_WORDS: [&str; 3] = ["nsfw content", "safety checker", "our safety system"];
/// Codes of OpenAI's errors that come with status 429, although no wait helps.
const QUOTA_CODES: [&str; 2] = ["insufficient_quota", "billing_hard_limit_reached"];

/// The error that an answer with a status other than 2xx stands for. `asked` is its `Retry-After`, `location` where it
/// redirects to.
pub(crate) fn by_status(
    status: u16,
    body: &[u8],
    asked: Option<Duration>,
    location: Option<&str>,
) -> ServerError {
    let value: Value = serde_json::from_slice(without_bom(body)).unwrap_or_default();
    if let Some(error) = known_kind(&value) {
        return error;
    }
    let message = match location.filter(|_| (300..400).contains(&status)) {
        Some(location) => format!(
            "it redirects to {}; give the address itself (a login page means that credentials are missing or wrong)",
            shorten(&redacted(location))
        ),
        None => explanation(body),
    };
    ServerError::Status {
        status,
        message,
        // The body may say how long one model takes to load, which does not concern requests for others.
        retry_after: asked.or_else(|| estimated_time(&value)),
    }
}

/// The error in an answer with status 200, if it holds one.
pub(crate) fn in_success(value: &Value) -> Option<ServerError> {
    let told = match value.get("error") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    if !told && value.get("object").and_then(Value::as_str) != Some("error") {
        return None;
    }
    Some(known_kind(value).unwrap_or_else(|| {
        bad_reply(format!(
            "the server reports an error: {}",
            shorten(&said(value))
        ))
    }))
}

/// An error of a kind that no further attempt mends.
fn known_kind(value: &Value) -> Option<ServerError> {
    let codes = codes(value);
    let is = |known: &[&str]| codes.iter().any(|code| known.contains(&code.as_str()));
    let message = said(value);
    let lower = message.to_lowercase();
    if is(&FILTER_CODES) || FILTER_WORDS.iter().any(|word| lower.contains(word)) {
        return Some(ServerError::Filtered {
            message: shorten(&message),
        });
    }
    is(&QUOTA_CODES).then(|| ServerError::QuotaUsedUp {
        message: shorten(&message),
    })
}

/// The codes, types and names of an error, in lower case.
fn codes(value: &Value) -> Vec<String> {
    let error = value.get("error").unwrap_or(value);
    let places = [
        error.get("code"),
        error.get("type"),
        error.get("innererror").and_then(|inner| inner.get("code")),
        value.get("name"),
        value
            .get("detail")
            .and_then(|detail| detail.get(0)?.get("type")),
    ];
    let texts = places.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_lowercase).collect()
}

/// What an error's body says, shortened.
fn explanation(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(without_bom(body)) {
        Ok(value) => said(&value),
        Err(_) => match page_title(body) {
            Some(title) => format!("a web page, {title:?}"),
            None => String::from_utf8_lossy(&body[..body.len().min(4 * MESSAGE)]).into_owned(),
        },
    };
    let text = shorten(&text);
    if text.is_empty() {
        "no explanation".to_owned()
    } else {
        text
    }
}

/// What an error says, in the shapes of OpenAI (`error.message`), FastAPI (`detail`), AUTOMATIC1111 (`error`, `detail`,
/// `errors`), ComfyUI (`error.message`, `node_errors`) and Hugging Face (`error`).
fn said(value: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    for key in ["error", "detail", "message", "errors", "node_errors"] {
        let Some(found) = value.get(key) else {
            continue;
        };
        let text = match found.get("message").unwrap_or(found) {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Object(map) if map.is_empty() => continue,
            Value::Array(list) if list.is_empty() => continue,
            other => other.to_string(),
        };
        if !text.is_empty() && !parts.contains(&text) {
            parts.push(text);
        }
    }
    match value {
        _ if !parts.is_empty() => parts.join(": "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Hugging Face's answer while a model loads: `{"error": ..., "estimated_time": 20.0}`.
fn estimated_time(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.get("estimated_time")?.as_f64()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_and_quotas_are_told_from_other_refusals() {
        // Azure's answer to a filtered question, OpenAI's to an image prompt, Stability's, Replicate's, diffusers'.
        for (status, body) in [
            (
                400,
                json!({ "error": { "message": "The response was filtered.", "code": "content_filter", "status": 400,
                    "innererror": { "code": "ResponsibleAIPolicyViolation" } } }),
            ),
            (
                400,
                json!({ "error": { "code": "moderation_blocked", "type": "image_generation_user_error",
                    "message": "Your request was rejected by the safety system." } }),
            ),
            (
                403,
                json!({ "name": "content_moderation", "errors": ["Flagged."] }),
            ),
            (
                422,
                json!({ "detail": [{ "type": "content_policy_violation", "msg": "Flagged." }] }),
            ),
            (
                500,
                json!({ "error": "NSFW content detected. Try a different prompt." }),
            ),
        ] {
            let error = by_status(status, body.to_string().as_bytes(), None, None);
            assert!(matches!(error, ServerError::Filtered { .. }), "{error}");
            assert!(!error.is_transient() && error.to_string().contains("content filter"));
        }
        let body = json!({ "error": { "code": "insufficient_quota", "message": "You exceeded your current quota" } });
        let error = by_status(429, body.to_string().as_bytes(), None, None);
        assert!(matches!(error, ServerError::QuotaUsedUp { .. }), "{error}");
        assert!(!error.is_transient() && error.unanswered() == 0);
        let body =
            json!({ "error": { "code": "rate_limit_exceeded", "message": "Rate limit reached" } });
        assert!(by_status(429, body.to_string().as_bytes(), None, None).is_transient());
    }

    #[test]
    fn explanations_say_all_that_the_body_says() {
        let said = |body: &str| explanation(body.as_bytes());
        assert_eq!(
            said(
                "{\"error\": \"HTTPException\", \"detail\": \"Invalid encoded image\", \"errors\": \"\"}"
            ),
            "HTTPException: Invalid encoded image"
        );
        assert_eq!(
            said("{\"error\": {\"message\": \"no slot\", \"type\": \"x\"}}"),
            "no slot"
        );
        assert_eq!(said("\"gone\""), "gone");
        assert_eq!(said(""), "no explanation");
        assert_eq!(
            said("<html><head><title>502 Bad Gateway</title></head></html>"),
            "a web page, \"502 Bad Gateway\""
        );
    }

    #[test]
    fn redirects_name_their_goal_without_what_may_be_secret() {
        let location = Some("https://me:pw@login.example/sign-in?next=/v1&token=secret");
        let text = by_status(302, b"", None, location).to_string();
        assert!(
            text.contains("login.example/sign-in") && text.contains("credentials"),
            "{text}"
        );
        assert!(!text.contains("secret") && !text.contains("pw"), "{text}");
    }

    #[test]
    fn errors_with_status_200_are_seen() {
        let kind = |value: Value| in_success(&value).map(|error| error.to_string());
        assert_eq!(kind(json!({ "choices": [], "error": null })), None);
        assert_eq!(kind(json!({ "images": [], "error": "" })), None);
        assert_eq!(kind(json!([1])), None);
        let text = kind(json!({ "error": { "message": "no slot" } })).unwrap_or_default();
        assert!(
            text.contains("the server reports an error: no slot"),
            "{text}"
        );
        let text = kind(json!({ "object": "error", "message": "too long" })).unwrap_or_default();
        assert!(text.contains("too long"), "{text}");
    }
}
