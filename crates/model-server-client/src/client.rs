use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ureq::http::Response;

use crate::address::Address;
use crate::backoff::{backoff, retry_after};
use crate::credentials::Credentials;
use crate::host_gate::HostGate;
use crate::redact::redact;
use crate::reply::{shorten, unusable};
use crate::reported;
use crate::request::{Body, Request};
use crate::settings::HttpSettings;
use crate::{ServerError, SetupError};

/// A value from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<T> {
    /// The value.
    pub value: T,
    /// The number of earlier attempts that the server may have served, and charged for, although no usable answer came.
    pub unanswered: u32,
}

/// Sends requests to one server, with limits, credentials and retries.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    settings: HttpSettings,
    credentials: Credentials,
    gate: Arc<HostGate>,
    /// Spreads the waits of parallel requests.
    sent: AtomicU64,
}

impl Client {
    /// A client for the API below `base`: `http://` or `https://`, host, port and path. Nothing is sent.
    ///
    /// # Errors
    /// Returns a [`SetupError`] if the address or the settings cannot work.
    pub fn new(
        base: &str,
        settings: HttpSettings,
        credentials: Credentials,
    ) -> Result<Self, SetupError> {
        let address = Address::parse(base)?;
        settings.check()?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // A redirected POST would lose its body, so the final address is needed.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ));
        if address.is_local() {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            gate: HostGate::of(&address.host),
            base: address.base,
            settings,
            credentials,
            sent: AtomicU64::new(0),
        })
    }

    /// The server's address, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The settings.
    pub fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends `request` until `parse` accepts an answer, an error is not transient, or the attempts are used up.
    ///
    /// # Errors
    /// Returns the last attempt's error, wrapped in [`ServerError::GaveUp`] if there were several.
    pub fn call<T>(
        &self,
        request: &Request,
        parse: impl Fn(&[u8]) -> Result<T, ServerError>,
    ) -> Result<Answer<T>, ServerError> {
        self.call_unless(request, parse, || Ok(None))
    }

    /// [`call`](Self::call) of a request that must not be repeated if the server has acted on it: after a failed attempt
    /// that may have run, `done` looks whether it did, and its value ends the call.
    ///
    /// # Errors
    /// Returns the errors of [`call`](Self::call) and of `done`.
    pub fn call_unless<T>(
        &self,
        request: &Request,
        parse: impl Fn(&[u8]) -> Result<T, ServerError>,
        done: impl Fn() -> Result<Option<T>, ServerError>,
    ) -> Result<Answer<T>, ServerError> {
        self.admit()?;
        let (mut attempt, mut unanswered) = (0, 0);
        loop {
            attempt += 1;
            let error = match self.once(request).and_then(|bytes| parse(&bytes)) {
                Ok(value) => return Ok(Answer { value, unanswered }),
                Err(error) => self.redact(error),
            };
            let may_have_run = error.may_have_run();
            unanswered += u32::from(may_have_run);
            self.pause(attempt, unanswered, error)?;
            if may_have_run && let Some(value) = done()? {
                return Ok(Answer { value, unanswered });
            }
        }
    }

    /// `error` with this client's secrets redacted. [`call`](Self::call) does so with its own errors; this is for errors
    /// that are made of answers.
    pub fn redact(&self, error: ServerError) -> ServerError {
        redact(&self.credentials, error)
    }

    /// Waits as long as the server asked to be left alone.
    fn admit(&self) -> Result<(), ServerError> {
        self.gate.pass(&self.settings)
    }

    /// Waits before attempt `attempt + 1`, or returns the error if there is to be none, with the number of attempts so
    /// far that may have run on the server.
    fn pause(&self, attempt: u32, unanswered: u32, error: ServerError) -> Result<(), ServerError> {
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
            // Too many requests: the other ones must wait as well.
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
    fn once(&self, request: &Request) -> Result<Vec<u8>, ServerError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut response = self.send(request).map_err(|error| self.translate(error))?;
        let head = Head::of(&response);
        if let Some(asked) = head.asked.filter(|_| matches!(head.status, 429 | 503)) {
            // Before the body is read, so that no other request slips through in the meantime.
            self.gate.hold(asked);
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(self.settings.max_reply)
            .read_to_vec();
        if !(200..300).contains(&head.status) {
            // The status counts, even if its explanation got lost.
            let body = body.unwrap_or_default();
            let location = head.location.as_deref();
            return Err(reported::by_status(
                head.status,
                &body,
                head.asked,
                location,
            ));
        }
        if let Some(encoding) = head.encoding {
            return Err(unusable(format!(
                "it is compressed with {}, which was not asked for; switch that off at the server or the proxy in front \
                 of it",
                shorten(&encoding)
            )));
        }
        let body = body.map_err(|error| self.translate(error))?;
        if head
            .announced
            .is_some_and(|length| length != body.len() as u64)
        {
            return Err(ServerError::Connection {
                message: "the answer broke off".to_owned(),
            });
        }
        Ok(body)
    }

    fn send(&self, request: &Request) -> Result<Response<ureq::Body>, ureq::Error> {
        let url = format!("{}{}", self.base, request.path);
        let header = self.credentials.header();
        match &request.body {
            Body::None => {
                let builder = self.agent.get(&url);
                match header {
                    Some(header) => builder.header("Authorization", header).call(),
                    None => builder.call(),
                }
            }
            Body::Bytes { kind, bytes } => {
                let builder = self.agent.post(&url).header("Content-Type", kind);
                match header {
                    Some(header) => builder.header("Authorization", header).send(&bytes[..]),
                    None => builder.send(&bytes[..]),
                }
            }
        }
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

/// What an answer's status and headers say.
struct Head {
    status: u16,
    /// `Retry-After`.
    asked: Option<Duration>,
    /// Where it redirects to.
    location: Option<String>,
    /// How the body is still compressed. The library decodes gzip, and removes the header then.
    encoding: Option<String>,
    /// The length of the body.
    announced: Option<u64>,
}

impl Head {
    fn of(response: &Response<ureq::Body>) -> Self {
        let text = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Self {
            status: response.status().as_u16(),
            asked: text("retry-after").and_then(|value| retry_after(&value, SystemTime::now())),
            location: text("location"),
            encoding: text("content-encoding")
                .filter(|encoding| !encoding.eq_ignore_ascii_case("identity")),
            announced: response.body().content_length(),
        }
    }
}
