//! ComfyUI's job ids and answers.

use model_server_client::{ServerError, bad_reply, json, shorten};
use resumable_runs::{hex, sha256_parts};
use serde_json::{Map, Value};

/// An image on the server.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) filename: String,
    pub(crate) subfolder: String,
    pub(crate) kind: String,
}

/// What the server's history says about a job.
#[derive(Debug)]
pub(crate) enum Job {
    Unknown,
    Done(Output),
    Failed(ServerError),
}

/// A UUID (version 8, RFC 9562) from the first bytes of a digest. Newer servers accept nothing else.
pub(crate) fn job_id(digest: &[u8; 32], attempt: u32) -> String {
    let hash = sha256_parts(&[digest, &attempt.to_le_bytes()]);
    let mut bytes: [u8; 16] = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// `{"name": ..., "subfolder": ..., "type": "input"}`.
pub(crate) fn uploaded_name(body: &[u8]) -> Result<String, ServerError> {
    let value = json(body)?;
    let name = value
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| bad_reply("the upload has no \"name\""))?;
    Ok(match value.get("subfolder").and_then(Value::as_str) {
        Some(folder) if !folder.is_empty() => format!("{folder}/{name}"),
        _ => name.to_owned(),
    })
}

/// `{"prompt_id": ..., "number": ..., "node_errors": {}}`.
pub(crate) fn queued_id(body: &[u8]) -> Result<String, ServerError> {
    let value = json(body)?;
    value
        .get("prompt_id")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty() && id.len() <= 128)
        .map(str::to_owned)
        .ok_or_else(|| bad_reply("no \"prompt_id\""))
}

/// `{"queue_running": [[number, id, ...], ...], "queue_pending": [...]}`.
pub(crate) fn in_queue(body: &[u8], id: &str) -> Result<bool, ServerError> {
    let value = json(body)?;
    let mut found = false;
    for part in ["queue_running", "queue_pending"] {
        let jobs = value
            .get(part)
            .and_then(Value::as_array)
            .ok_or_else(|| bad_reply(format!("no list {part:?}")))?;
        found |= jobs
            .iter()
            .any(|job| job.get(1).and_then(Value::as_str) == Some(id));
    }
    Ok(found)
}

/// `{}` before the job is done, then `{ID: {"outputs": {NODE: {"images": [...]}}, "status": {...}}}`.
pub(crate) fn read_history(body: &[u8], id: &str, node: Option<&str>) -> Result<Job, ServerError> {
    let value = json(body)?;
    if !value.is_object() {
        return Err(bad_reply("the history is not an object"));
    }
    let Some(entry) = value.get(id) else {
        return Ok(Job::Unknown);
    };
    if let Some(message) = failure(entry) {
        return Ok(Job::Failed(ServerError::Job { message }));
    }
    let outputs = entry
        .get("outputs")
        .and_then(Value::as_object)
        .ok_or_else(|| bad_reply("the job has no \"outputs\""))?;
    let message = || match node {
        Some(node) => format!("node {node} gave no image"),
        None => "no node gave an image; does the workflow have a SaveImage node?".to_owned(),
    };
    Ok(match first_image(outputs, node) {
        Some(image) => Job::Done(image),
        None => Job::Failed(ServerError::Job { message: message() }),
    })
}

/// The message of a job that failed.
fn failure(entry: &Value) -> Option<String> {
    let status = entry.get("status")?;
    if status.get("status_str").and_then(Value::as_str) != Some("error") {
        return None;
    }
    let message = status
        .get("messages")
        .and_then(Value::as_array)
        .and_then(|messages| {
            messages
                .iter()
                .find(|m| m.get(0).and_then(Value::as_str) == Some("execution_error"))
        })
        .and_then(|message| message.get(1)?.get("exception_message")?.as_str());
    Some(shorten(message.unwrap_or("no message")))
}

/// The first image of a job's outputs, or of the output of `node`.
fn first_image(outputs: &Map<String, Value>, node: Option<&str>) -> Option<Output> {
    let mut images: Vec<Output> = outputs
        .iter()
        .filter(|(id, _)| node.is_none_or(|node| node == id.as_str()))
        .filter_map(|(_, output)| output.get("images")?.as_array())
        .flatten()
        .filter_map(|image| {
            let text = |key| image.get(key).and_then(Value::as_str).map(str::to_owned);
            Some(Output {
                filename: text("filename")?,
                subfolder: text("subfolder").unwrap_or_default(),
                kind: text("type").unwrap_or_else(|| "output".to_owned()),
            })
        })
        .collect();
    // Stable: previews ("temp") go after what was saved.
    images.sort_by_key(|image| image.kind != "output");
    images.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_differ() {
        let id = job_id(&[7; 32], 0);
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "8");
        assert!("89ab".contains(&id[19..20]));
        assert_ne!(id, job_id(&[7; 32], 1));
        assert_ne!(id, job_id(&[8; 32], 0));
    }
}
