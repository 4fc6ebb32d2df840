//! Errors with the secrets taken out.

use crate::ServerError;
use crate::credentials::Credentials;

/// `error` with the secrets of `credentials` redacted from every message of a server or a library.
pub(crate) fn redact(credentials: &Credentials, error: ServerError) -> ServerError {
    let clean = |message| credentials.redact(message);
    match error {
        ServerError::Status {
            status,
            message,
            retry_after,
        } => ServerError::Status {
            status,
            message: clean(message),
            retry_after,
        },
        ServerError::Connection { message } => ServerError::Connection {
            message: clean(message),
        },
        ServerError::BadReply { message } => ServerError::BadReply {
            message: clean(message),
        },
        ServerError::Unusable { message } => ServerError::Unusable {
            message: clean(message),
        },
        ServerError::Filtered { message } => ServerError::Filtered {
            message: clean(message),
        },
        ServerError::QuotaUsedUp { message } => ServerError::QuotaUsedUp {
            message: clean(message),
        },
        ServerError::Job { message } => ServerError::Job {
            message: clean(message),
        },
        ServerError::GaveUp {
            attempts,
            unanswered,
            last,
        } => ServerError::GaveUp {
            attempts,
            unanswered,
            last: Box::new(redact(credentials, *last)),
        },
        error @ (ServerError::Timeout { .. }
        | ServerError::TooLong { .. }
        | ServerError::LongWait { .. }) => error,
    }
}
