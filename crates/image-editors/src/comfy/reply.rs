//! ComfyUI's job ids, and its answers about uploads and the queue.

use model_server_client::{ServerError, bad_reply, json};
use resumable_runs::{hex, sha256_parts};
use serde_json::Value;

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
