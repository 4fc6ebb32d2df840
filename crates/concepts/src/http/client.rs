use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::credentials::Credentials;
use super::reply;
use super::request::{Body, Request};
use crate::{Error, ServerError};

/// How patiently a server is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// The longest time for one request, from the connection to the last byte. Default: 300 s.
    pub timeout: Duration,
    /// How often a request is sent at most. Default: 5.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from attempt to attempt, and each wait is shortened by up to a
    /// half so that parallel requests spread. Default: 1 s.
    pub first_wait: Duration,
    /// The longest wait. A request whose server asks for more (`Retry-After`) is given up. Default: 120 s.
    pub max_wait: Duration,
    /// The longest answer that is read, in bytes. Default: 32 MiB.
    pub max_reply: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            attempts: 5,
            first_wait: Duration::from_secs(1),
            max_wait: Duration::from_secs(120),
            max_reply: 32 << 20,
        }
    }
}

/// However long waits may be, nobody waits for more than a day unasked.
const LONGEST_BACKOFF: Duration = Duration::from_secs(86_400);

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
        let bad = |message: &str| Error::BadSetting {
            setting: "server address",
            message: format!("{:?} {message}", shown(base)),
        };
        let base_trimmed = base.trim().trim_end_matches('/');
        // Anywhere: a password may hold a slash.
        if base_trimmed.contains('@') {
            return Err(bad(
                "holds an @, as of a user and password; put them into an environment variable instead",
            ));
        }
        let host = base_trimmed
            .strip_prefix("http://")
            .or_else(|| base_trimmed.strip_prefix("https://"))
            .map(|rest| rest.split('/').next().unwrap_or(""))
            .ok_or_else(|| bad("does not begin with http:// or https://"))?;
        if host.is_empty() || base_trimmed.chars().any(|c| c.is_control() || c == ' ') {
            return Err(bad("names no host"));
        }
        if base_trimmed.contains(['?', '#']) {
            return Err(bad("has a query or a fragment; pass the path only"));
        }
        if settings.attempts == 0 || settings.max_reply == 0 || settings.timeout.is_zero() {
            return Err(Error::BadSetting {
                setting: "HTTP settings",
                message: "attempts, max_reply and timeout must be above zero".to_owned(),
            });
        }
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // A redirected POST would lose its body; the user should give the final address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("concepts/", env!("CARGO_PKG_VERSION")));
        let bare = host.split(':').next().unwrap_or("");
        if bare == "localhost" || bare.starts_with("127.") || host.starts_with("[::1]") {
            config = config.proxy(None);
        }
        Ok(Self {
            agent: config.build().into(),
            name: name.to_owned(),
            base: base_trimmed.to_owned(),
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
            source: self.redact(source),
        }
    }

    fn redact(&self, error: ServerError) -> ServerError {
        let clean = |message| self.credentials.redact(message);
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
                last: Box::new(self.redact(*last)),
            },
            error @ (ServerError::Timeout { .. }
            | ServerError::TooLong { .. }
            | ServerError::LongWait { .. }) => error,
        }
    }

    /// Sends until `parse` accepts an answer, an error is not transient, or the attempts are used up.
    pub(super) fn call<T>(
        &self,
        request: &Request,
        parse: impl Fn(&[u8]) -> Result<T, ServerError>,
    ) -> Result<Answer<T>, ServerError> {
        let mut unanswered = 0;
        let mut attempt = 0;
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
        if !error.is_transient() || attempt >= self.settings.attempts {
            return Err(give_up(error));
        }
        let allowed = self.settings.max_wait;
        let wait = match error.retry_after() {
            Some(asked) if asked > allowed => {
                return Err(give_up(ServerError::LongWait { asked, allowed }));
            }
            Some(asked) => asked,
            None => self.backoff(attempt),
        };
        std::thread::sleep(wait);
        Ok(())
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let doubled = self
            .settings
            .first_wait
            .saturating_mul(1 << (attempt - 1).min(20));
        // A few bits of a counter are spread enough; nothing depends on the value.
        let part = self
            .sent
            .load(Ordering::Relaxed)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            >> 48;
        doubled
            .min(self.settings.max_wait)
            .min(LONGEST_BACKOFF)
            .mul_f64(1.0 - part as f64 / 65_536.0 / 2.0)
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

/// The address without what may be a secret: user and password, query and fragment.
fn shown(base: &str) -> String {
    let start = base.find("://").map_or(0, |at| at + 3);
    let (head, tail) = match base.rfind('@') {
        Some(at) => (
            format!(
                "{}***",
                base.get(..start).filter(|_| start <= at).unwrap_or("")
            ),
            &base[at..],
        ),
        None => (String::new(), base),
    };
    match tail.split_once(['?', '#']) {
        Some((kept, _)) => format!("{head}{kept}?***"),
        None => format!("{head}{tail}"),
    }
}

/// `Retry-After` in either of its forms (RFC 9110, 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        // RFC 9110's examples.
        assert_eq!(
            retry_after("120", SystemTime::now()),
            Some(Duration::from_secs(120))
        );
        let date = "Fri, 31 Dec 1999 23:59:59 GMT";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_799 - 30);
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        let later = now + Duration::from_secs(60);
        assert_eq!(retry_after(date, later), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn addresses_are_checked() {
        let open = |base| {
            Client::new("a", base, HttpSettings::default(), Credentials::none())
                .map(|client| client.base().to_owned())
        };
        assert_eq!(
            open("http://127.0.0.1:7860/").unwrap(),
            "http://127.0.0.1:7860"
        );
        assert_eq!(open("https://host/v1").unwrap(), "https://host/v1");
        for bad in [
            "127.0.0.1:7860",
            "ftp://host",
            "http://",
            "http://a b",
            "http://host/?key=1",
        ] {
            assert!(open(bad).is_err(), "{bad}");
        }
        for secret in [
            "http://me:secret@host",
            "http://me:se/secret@host",
            "me:secret@host:80",
            "ftp://me:secret@host",
            "http://me:secret#secret?@h st",
            "http://host/v1?api_key=secret",
            "host/v1?api_key=secret",
            "http:///v1#secret",
        ] {
            let error = open(secret).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let error = open("ftp://me:secret@host/v1").unwrap_err().to_string();
        assert!(error.contains("ftp://***@host/v1"), "{error}");
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let client = Client::new(
            "a",
            "http://host",
            HttpSettings::default(),
            Credentials::none(),
        )
        .unwrap();
        let wait = |attempt| client.backoff(attempt).as_secs_f64();
        assert_eq!((wait(1), wait(2), wait(3)), (1.0, 2.0, 4.0));
        assert_eq!((wait(8), wait(40)), (120.0, 120.0));
        client.sent.store(7, Ordering::Relaxed);
        assert!((0.5..1.0).contains(&wait(1)), "{}", wait(1));
    }
}
