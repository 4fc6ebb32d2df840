//! Reading answers, which are untrusted.

use serde_json::Value;

use crate::ServerError;
use crate::foreign::{foreign, without_bom};
use crate::reported;

/// Marks the place at which a message was shortened.
pub(crate) const CUT: &str = " ...";
/// The number of characters that are kept of a server's message.
pub(crate) const MESSAGE: usize = 300;

/// A [`ServerError::BadReply`]: the answer is complete, but not what the API promises. Another attempt may bring a better
/// one.
pub fn bad_reply(message: impl Into<String>) -> ServerError {
    ServerError::BadReply {
        message: message.into(),
    }
}

/// A [`ServerError::Unusable`]: another attempt would bring the same.
pub fn unusable(message: impl Into<String>) -> ServerError {
    ServerError::Unusable {
        message: message.into(),
    }
}

/// The JSON value in an answer, with or without a byte order mark.
///
/// # Errors
/// Returns [`ServerError::BadReply`] if it is not JSON, [`ServerError::Unusable`] if it is a stream, and, since some servers
/// report errors with status 200, what an object's `error` says: [`ServerError::BadReply`], [`ServerError::Filtered`] or
/// [`ServerError::QuotaUsedUp`].
pub fn json(bytes: &[u8]) -> Result<Value, ServerError> {
    let value = serde_json::from_slice(without_bom(bytes)).map_err(|error| {
        foreign(bytes).unwrap_or_else(|| bad_reply(format!("not JSON: {error}")))
    })?;
    match reported::in_success(&value) {
        Some(error) => Err(error),
        None => Ok(value),
    }
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
