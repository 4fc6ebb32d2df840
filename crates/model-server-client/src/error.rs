use std::time::Duration;

/// What can go wrong between a client and its server. No message holds a credential.
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
        /// How long the server asks to wait, if it said so.
        retry_after: Option<Duration>,
    },

    /// No answer in time.
    #[error("no answer within {} s; raise the timeout, or check whether the server hangs", timeout.as_secs_f64())]
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

    /// The answer is longer than the limit.
    #[error("the answer is longer than the limit of {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },

    /// The answer is complete, but not what the API promises.
    #[error("unexpected answer: {message}")]
    BadReply {
        /// What is wrong with it.
        message: String,
    },

    /// The answer cannot be used, and the same request would bring the same again.
    #[error("the answer cannot be used: {message}")]
    Unusable {
        /// What is wrong with it, and what to do.
        message: String,
    },

    /// A content filter withheld the answer.
    #[error(
        "a content filter withheld the answer ({message}); word the request differently, or use a model or server \
         without that filter"
    )]
    Filtered {
        /// What the server said, shortened.
        message: String,
    },

    /// The account has no credit left, so that waiting does not help.
    #[error("the account's quota is used up ({message}); raise it, and run again")]
    QuotaUsedUp {
        /// What the server said, shortened.
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
        /// The number of attempts.
        attempts: u32,
        /// How many of these attempts the server may have served, and charged for, without a usable answer.
        unanswered: u32,
        /// The error of the last attempt.
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
            Self::Unusable { .. } | Self::Filtered { .. } | Self::QuotaUsedUp { .. } => false,
            Self::GaveUp { .. } => false,
        }
    }

    /// Whether the server may have done the work, and charged for it, although no usable answer came.
    pub(crate) fn may_have_run(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Connection { .. }
            | Self::BadReply { .. }
            | Self::Unusable { .. }
            // Azure charges for a filtered question as well.
            | Self::Filtered { .. }
            | Self::TooLong { .. } => true,
            // What a gateway answers if it lost patience with the server behind it, or contact to it.
            Self::Status { status, .. } => matches!(status, 408 | 502 | 504 | 520..=524),
            Self::Job { .. } | Self::LongWait { .. } | Self::QuotaUsedUp { .. } => false,
            Self::GaveUp { unanswered, .. } => *unanswered > 0,
        }
    }

    /// The number of attempts that the server may have served, and charged for, although no usable answer came.
    pub fn unanswered(&self) -> u32 {
        match self {
            Self::GaveUp { unanswered, .. } => *unanswered,
            other => other.may_have_run().into(),
        }
    }

    /// The error of the last attempt.
    pub fn last(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } => last.last(),
            other => other,
        }
    }

    /// How long the server asked to wait, if it did.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// A client that cannot work: a bad address, setting or credential. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The address holds an `@`.
    #[error(
        "the server address {address:?} holds an @, which separates a user and a password from the host; put them \
         into an environment variable instead"
    )]
    AddressWithCredentials {
        /// The address, redacted.
        address: String,
    },

    /// The address has another scheme, or none.
    #[error("the server address {address:?} does not begin with http:// or https://")]
    AddressScheme {
        /// The address, redacted.
        address: String,
    },

    /// The address has no host, or a space or control character.
    #[error("the server address {address:?} names no host")]
    NoHost {
        /// The address, redacted.
        address: String,
    },

    /// The address has a query or a fragment.
    #[error("the server address {address:?} has a query or a fragment; give the path only")]
    AddressWithQuery {
        /// The address, redacted.
        address: String,
    },

    /// A setting that must be positive is zero.
    #[error("HTTP settings: attempts, max_reply and timeout must be above zero")]
    ZeroSetting,

    /// The environment variable for a credential is not set.
    #[error("the environment variable {variable} is not set")]
    MissingVariable {
        /// The variable.
        variable: String,
    },

    /// The environment variable for a credential cannot stand in a header.
    #[error("the environment variable {variable} is empty or holds spaces or non-ASCII characters")]
    BadVariable {
        /// The variable.
        variable: String,
    },

    /// The environment variable for basic authentication has no colon.
    #[error("the environment variable {variable} must hold USER:PASSWORD")]
    NotUserPassword {
        /// The variable.
        variable: String,
    },
}
