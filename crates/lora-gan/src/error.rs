//! What a caller can do wrong.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration whose numbers do not fit together.
    #[error("configuration field `{field}`: {why}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint's file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A `config.json` that is not one of this crate's.
    #[error("{}: not a generator configuration ({source}); was it written by another version?", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the text is wrong.
        source: serde_json::Error,
    },
    /// A checkpoint of another format version.
    #[error("{}: checkpoint format {found}, this build reads {expected}; make it anew", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that this build reads.
        expected: u32,
    },
    /// A checkpoint whose weights are not those that its configuration names.
    #[error("{}: digest differs from the one in generator.json: the file is damaged or was replaced; restore it or make the base anew", path.display())]
    Digest {
        /// The weights' file.
        path: PathBuf,
    },
    /// Weights that do not fit the network, or a file that holds none.
    #[error(transparent)]
    Weights(#[from] weight_blocks::Error),
}
