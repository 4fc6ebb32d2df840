use std::time::Duration;

/// What can go wrong between this crate and a server. No message holds a credential.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The server refused.
    #[error("the server answered with status {status}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the server said, shortened.
        message: String,
        /// How long the server asks to wait, where it said so.
        retry_after: Option<Duration>,
    },

    /// No answer in time.
    #[error("no answer within {} s; raise the timeout, or look whether the server hangs", timeout.as_secs_f64())]
    Timeout {
        /// The limit.
        timeout: Duration,
    },

    /// No connection, or it broke off before the answer was complete.
    #[error("{message}; is the server running at this address?")]
    Connection {
        /// The system's answer.
        message: String,
    },

    /// The answer is longer than is read.
    #[error("the answer is longer than {limit} bytes; nothing of it is used")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },

    /// The answer is complete, but not what the API says.
    #[error("unexpected answer: {message}")]
    BadReply {
        /// What is wrong with it.
        message: String,
    },

    /// The server accepted a job and then failed at it.
    #[error("the job failed on the server: {message}")]
    Job {
        /// What the server said, shortened.
        message: String,
    },

    /// The server asks for a longer wait than is allowed.
    #[error(
        "the server asks to wait {} s, and {} s is the longest wait allowed; run again later",
        asked.as_secs(), allowed.as_secs()
    )]
    LongWait {
        /// What the server asks for.
        asked: Duration,
        /// The longest wait allowed.
        allowed: Duration,
    },

    /// All attempts failed.
    #[error("{last} (the last of {attempts} attempts)")]
    GaveUp {
        /// How often it was tried.
        attempts: u32,
        /// How many of these attempts the server may have served, and charged, without a usable answer.
        unanswered: u32,
        /// What the last attempt met.
        last: Box<ServerError>,
    },
}

impl ServerError {
    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                matches!(status, 408 | 409 | 425 | 429) || (500..600).contains(status)
            }
            Self::Timeout { .. } | Self::Connection { .. } | Self::BadReply { .. } => true,
            Self::TooLong { .. } | Self::Job { .. } | Self::LongWait { .. } => false,
            Self::GaveUp { .. } => false,
        }
    }

    /// Whether the server may have done the work (and charged for it) although no usable answer came.
    pub fn may_have_run(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Connection { .. }
            | Self::BadReply { .. }
            | Self::TooLong { .. } => true,
            // What a gateway says that lost patience with, or contact to, the server behind it.
            Self::Status { status, .. } => matches!(status, 408 | 502 | 504 | 520..=524),
            Self::Job { .. } | Self::LongWait { .. } => false,
            Self::GaveUp { unanswered, .. } => *unanswered > 0,
        }
    }

    /// How many attempts the server may have served, and charged, although no usable answer came.
    pub fn unanswered(&self) -> u32 {
        match self {
            Self::GaveUp { unanswered, .. } => *unanswered,
            other => other.may_have_run().into(),
        }
    }

    /// What the last attempt met.
    pub fn last(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } => last.last(),
            other => other,
        }
    }

    /// How long the server asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
