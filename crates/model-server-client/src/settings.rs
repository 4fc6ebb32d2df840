use std::time::Duration;

use crate::SetupError;

/// Timeouts, retries and limits of the requests to a server.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// The longest time for one request, from the connection to the last byte. Default: 300 s.
    pub timeout: Duration,
    /// The largest number of attempts per request. Default: 5.
    pub attempts: u32,
    /// The wait before the second attempt. It doubles with every attempt, and each wait is shortened by up to a half so
    /// that parallel requests spread. Default: 1 s.
    pub first_wait: Duration,
    /// The longest wait. If a server asks for more (`Retry-After`), requests to it fail, including those not sent yet.
    /// One request waits at most [`attempts`](Self::attempts) times as long in all. Default: 120 s.
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

impl HttpSettings {
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        if self.attempts > 0 && self.max_reply > 0 && !self.timeout.is_zero() {
            return Ok(());
        }
        Err(SetupError::ZeroSetting)
    }
}
