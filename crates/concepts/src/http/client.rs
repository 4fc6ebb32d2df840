use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::address::Address;
use super::backoff::{backoff, retry_after};
use super::credentials::Credentials;
use super::host_gate::HostGate;
use super::redact::redact;
use super::reply;
use super::request::{Body, Request};
use super::settings::HttpSettings;
use crate::{Error, ServerError};

/// A value from a server, and how many attempts before it may have run there without an answer.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) unanswered: u32,
}

/// Requests to one server: limits, credentials, retries.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    name: String,
    base: String,
    settings: HttpSettings,
    credentials: Credentials,
    gate: Arc<HostGate>,
    /// Spreads the waits of parallel requests.
    sent: AtomicU64,
}

impl Client {
    /// `base` is `http://` or `https://`, host, port and path.
    pub(super) fn new(
        name: &str,
        base: &str,
        settings: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, Error> {
        crate::pairs::check_name(name)?;
        let address = Address::parse(base)?;
        settings.check()?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // A redirected POST would lose its body; the user should give the final address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("concepts/", env!("CARGO_PKG_VERSION")));
        if address.is_local() {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            name: name.to_owned(),
            gate: HostGate::of(&address.host),
            base: address.base,
            settings,
            credentials,
            sent: AtomicU64::new(0),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Names the server in an error. All errors pass here on their way out, and none with a secret in it.
    pub(super) fn fail(&self, source: ServerError) -> Error {
        Error::Server {
            server: self.name.clone(),
            source: redact(&self.credentials, source),
        }
    }

    /// Sends until `parse` accepts an answer, an error is not transient, or the attempts are used up.
    pub(super) fn call<T>(
        &self,
        request: &Request,
        parse: impl Fn(&[u8]) -> Result<T, ServerError>,
    ) -> Result<Answer<T>, ServerError> {
        self.admit()?;
        let (mut attempt, mut unanswered) = (0, 0);
        loop {
            attempt += 1;
            let error = match self.once(request).and_then(|bytes| parse(&bytes)) {
                Ok(value) => return Ok(Answer { value, unanswered }),
                Err(error) => error,
            };
            unanswered += u32::from(error.may_have_run());
            self.pause(attempt, unanswered, error)?;
        }
    }

    /// Waits while the server asked to be left alone; to be called before the first [`once`](Self::once).
    pub(super) fn admit(&self) -> Result<(), ServerError> {
        self.gate.pass(&self.settings)
    }

    /// Waits before attempt `attempt + 1`, or gives the error back when there is to be none; with the number of
    /// attempts so far that may have run on the server.
    pub(super) fn pause(
        &self,
        attempt: u32,
        unanswered: u32,
        error: ServerError,
    ) -> Result<(), ServerError> {
        let give_up = |error: ServerError| {
            if attempt == 1 && error.unanswered() == unanswered {
                return error;
            }
            ServerError::GaveUp {
                attempts: attempt,
                unanswered,
                last: Box::new(error),
            }
        };
        let asked = error.retry_after();
        let spread = self.sent.load(Ordering::Relaxed);
        let wait = asked.unwrap_or_else(|| backoff(&self.settings, attempt, spread));
        if matches!(error, ServerError::Status { status: 429, .. }) {
            // Too many requests: the others are as many too many.
            self.gate.hold(wait);
        }
        if !error.is_transient() || attempt >= self.settings.attempts {
            return Err(give_up(error));
        }
        let allowed = self.settings.max_wait;
        if let Some(asked) = asked.filter(|asked| *asked > allowed) {
            return Err(give_up(ServerError::LongWait { asked, allowed }));
        }
        std::thread::sleep(wait);
        self.admit().map_err(give_up)
    }

    /// One attempt: the body of an answer with a 2xx status.
    pub(super) fn once(&self, request: &Request) -> Result<Vec<u8>, ServerError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}{}", self.base, request.path);
        let sent = match &request.body {
            Body::None => {
                let mut builder = self.agent.get(&url);
                if let Some(header) = self.credentials.header() {
                    builder = builder.header("Authorization", header);
                }
                builder.call()
            }
            Body::Bytes { kind, bytes } => {
                let mut builder = self.agent.post(&url).header("Content-Type", kind);
                if let Some(header) = self.credentials.header() {
                    builder = builder.header("Authorization", header);
                }
                builder.send(&bytes[..])
            }
        };
        let mut response = sent.map_err(|error| self.translate(error))?;
        let status = response.status().as_u16();
        let asked = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, SystemTime::now()));
        if let Some(asked) = asked.filter(|_| matches!(status, 429 | 503)) {
            // Before the body is read, so that no other request slips through meanwhile.
            self.gate.hold(asked);
        }
        let announced = response.body().content_length();
        let body = response
            .body_mut()
            .with_config()
            .limit(self.settings.max_reply)
            .read_to_vec();
        if !(200..300).contains(&status) {
            // The status counts, even where its explanation got lost.
            let body = body.unwrap_or_default();
            return Err(ServerError::Status {
                status,
                message: reply::explanation(&body),
                // What one model's loading takes, which the body may say, is nothing to requests for others.
                retry_after: asked.or_else(|| reply::estimated_time(&body)),
            });
        }
        let body = body.map_err(|error| self.translate(error))?;
        if announced.is_some_and(|length| length != body.len() as u64) {
            return Err(ServerError::Connection {
                message: "the answer broke off".to_owned(),
            });
        }
        Ok(body)
    }

    fn translate(&self, error: ureq::Error) -> ServerError {
        match error {
            ureq::Error::Timeout(_) => ServerError::Timeout {
                timeout: self.settings.timeout,
            },
            ureq::Error::BodyExceedsLimit(_) => ServerError::TooLong {
                limit: self.settings.max_reply,
            },
            error => ServerError::Connection {
                message: format!("cannot talk to {}: {error}", self.base),
            },
        }
    }
}
