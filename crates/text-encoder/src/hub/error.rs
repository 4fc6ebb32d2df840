//! What can go wrong between here and the hub.

use std::path::PathBuf;

/// Errors of [`HuggingFaceHub`](super::HuggingFaceHub).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Not the name of a model.
    #[error(
        "{name:?} is not a model's name on the hub: expected NAME or OWNER/NAME of letters, digits, '.', '_' and '-'"
    )]
    Name {
        /// What was given.
        name: String,
    },

    /// The hub does not know the model or the revision, or does not show it without a token.
    #[error(
        "{endpoint} has no model {name} at revision {revision}: check the name; for a private or gated model set HF_TOKEN"
    )]
    NotFound {
        /// The hub.
        endpoint: String,
        /// The model.
        name: String,
        /// The revision.
        revision: String,
    },

    /// The hub could not be reached, or its answer could not be understood.
    #[error("could not fetch {name} from {endpoint}: {message}; {advice}")]
    Request {
        /// The hub.
        endpoint: String,
        /// The model, or one of its files.
        name: String,
        /// What went wrong.
        message: String,
        /// What to do.
        advice: String,
    },

    /// The model lacks a file that every encoder has.
    #[error("{name} on {endpoint} has no {file}: it is not a text encoder that can be read")]
    Missing {
        /// The hub.
        endpoint: String,
        /// The model.
        name: String,
        /// The file, or the files of which one would do.
        file: &'static str,
    },

    /// A file did not arrive as the hub describes it. It has been removed.
    #[error("{} has {found}, but the hub says {expected}: fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its size or SHA-256.
        found: String,
        /// What it should be.
        expected: String,
    },

    /// Offline, and the model is not in the cache.
    #[error(
        "{name} at revision {revision} is not in the cache {}, and offline the hub is not asked: fetch it once with a network, or give a folder",
        cache.display()
    )]
    NotCached {
        /// The model.
        name: String,
        /// The revision.
        revision: String,
        /// The cache.
        cache: PathBuf,
    },

    /// A file of the cache could not be read.
    #[error(transparent)]
    File(#[from] tensor_file::Error),

    /// A file of the cache could not be read or written.
    #[error("the cache file {} could not be used: {source}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}
