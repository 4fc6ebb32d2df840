//! What ComfyUI's history says about a job.

use model_server_client::{ServerError, bad_reply, json, shorten};
use serde_json::Value;

use super::result::{Output, result};

/// The state of a job.
#[derive(Debug)]
pub(crate) enum Job {
    Unknown,
    Done(Output),
    /// It may succeed if it is run again.
    Failed(ServerError),
    /// Somebody cancelled it on the server, and may not want it to be run again at once.
    Interrupted(ServerError),
}

/// `{}` before the job is done, then `{ID: {"outputs": {NODE: {"images": [...]}}, "status": {...}}}`. `node` is the node
/// whose image is the result.
///
/// # Errors
/// Returns [`ServerError::Unusable`] if the outputs do not say which image is the result: the workflow would end so
/// whenever it is run.
pub(crate) fn read_history(body: &[u8], id: &str, node: Option<&str>) -> Result<Job, ServerError> {
    let value = json(body)?;
    if !value.is_object() {
        return Err(bad_reply("the history is not an object"));
    }
    let Some(entry) = value.get(id) else {
        return Ok(Job::Unknown);
    };
    if let Some(failed) = failure(entry) {
        return Ok(failed);
    }
    let outputs = entry
        .get("outputs")
        .and_then(Value::as_object)
        .ok_or_else(|| bad_reply("the job has no \"outputs\""))?;
    let cached = message(entry, "execution_cached").is_some();
    result(outputs, node, cached).map(Job::Done)
}

/// A message of the job's execution: `["execution_error", {...}]`.
fn message<'a>(entry: &'a Value, kind: &str) -> Option<&'a Value> {
    let messages = entry.get("status")?.get("messages")?.as_array()?;
    let is = |message: &&Value| message.get(0).and_then(Value::as_str) == Some(kind);
    messages.iter().find(is)?.get(1)
}

/// Why a job did not end.
fn failure(entry: &Value) -> Option<Job> {
    let status = entry.get("status")?;
    if status.get("status_str").and_then(Value::as_str) != Some("error") {
        return None;
    }
    let job = |message: String| ServerError::Job {
        message: shorten(&message),
    };
    if let Some(details) = message(entry, "execution_interrupted") {
        let at = place(details).map_or_else(String::new, |place| format!(" at {place}"));
        return Some(Job::Interrupted(job(format!(
            "it was interrupted{at}: somebody cancelled it on the server; run again to repeat it"
        ))));
    }
    let text = |details: &Value, key: &str| {
        let text = details.get(key).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let told = message(entry, "execution_error").map(|details| {
        let parts = [
            place(details),
            text(details, "exception_type"),
            text(details, "exception_message"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(": ")
    });
    let told = told.filter(|told| !told.is_empty());
    let message = told.unwrap_or_else(|| "the server does not say why; see its log".to_owned());
    Some(Job::Failed(job(message)))
}

/// `node 3 (KSampler)`.
fn place(details: &Value) -> Option<String> {
    let text = |key| details.get(key).and_then(Value::as_str);
    match (text("node_id"), text("node_type")) {
        (Some(id), Some(class)) => Some(format!("node {id} ({class})")),
        (Some(id), None) => Some(format!("node {id}")),
        (None, class) => class.map(|class| format!("a node {class}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: Value) -> Result<Job, ServerError> {
        let body = json!({ "a": { "prompt": [], "outputs": {}, "status": status } });
        read_history(body.to_string().as_bytes(), "a", None)
    }

    #[test]
    fn failed_and_interrupted_jobs_are_told_apart() {
        let status = |kind: &str, details: Value| {
            json!({ "status_str": "error", "completed": false,
            "messages": [["execution_start", {}], [kind, details]] })
        };
        let at = json!({ "node_id": "3", "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError",
            "exception_message": "Allocation on device " });
        let Ok(Job::Failed(error)) = read(status("execution_error", at.clone())) else {
            panic!("no failure");
        };
        let text = error.to_string();
        assert!(
            text.contains("node 3 (KSampler): torch.OutOfMemoryError: Allocation on device"),
            "{text}"
        );
        let Ok(Job::Interrupted(error)) = read(status("execution_interrupted", at)) else {
            panic!("no interruption");
        };
        let text = error.to_string();
        assert!(
            text.contains("interrupted at node 3 (KSampler)") && text.contains("cancelled"),
            "{text}"
        );
        let Ok(Job::Failed(error)) = read(json!({ "status_str": "error" })) else {
            panic!("no failure");
        };
        assert!(error.to_string().contains("does not say why"), "{error}");
    }
}
