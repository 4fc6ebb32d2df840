use std::time::Duration;

use crate::Error;

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
    /// The longest wait. Where a server asks for more (`Retry-After`), its requests are given up, those too that were
    /// not sent yet. One request is held back at most [`attempts`](Self::attempts) times as long, whatever comes in
    /// between. Default: 120 s.
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
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.attempts > 0 && self.max_reply > 0 && !self.timeout.is_zero() {
            return Ok(());
        }
        Err(Error::BadSetting {
            setting: "HTTP settings",
            message: "attempts, max_reply and timeout must be above zero".to_owned(),
        })
    }
}
