//! Answers to requests that cannot be fulfilled.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A status and a sentence that the page shows.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
}

pub(crate) type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// A request that the page does not send.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A request that is understood, and impossible as it is.
    pub(crate) fn impossible(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(crate) fn unknown(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are waiting; try again in a moment",
        )
    }
}

impl From<denoised_weights::Error> for Refusal {
    fn from(error: denoised_weights::Error) -> Self {
        Self::impossible(error.to_string())
    }
}

impl From<concepts::Error> for Refusal {
    fn from(error: concepts::Error) -> Self {
        Self::impossible(error.to_string())
    }
}

impl From<concepts::images::ImageError> for Refusal {
    fn from(error: concepts::images::ImageError) -> Self {
        Self::impossible(error.to_string())
    }
}

/// For `map_err`: a failure of the server itself, which is logged with its cause.
pub(crate) fn failed<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Refusal {
    move |error| {
        log::error!("{what}: {error}");
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{what}: {error}"),
        )
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json(&Body {
            error: &self.message,
        });
        (self.status, body).into_response()
    }
}

/// A value as the answer.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => ([("content-type", "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
