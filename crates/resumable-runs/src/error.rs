use std::path::{Path, PathBuf};

/// What can go wrong with a file or folder. Every message names it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused an operation on `path`.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read the folder", "open", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },

    /// A whole file cannot be read or written, or is larger than its limit.
    #[error(transparent)]
    WholeFile(#[from] tensor_file::Error),

    /// A text file holds bytes that are not UTF-8.
    #[error("{} is not UTF-8 text; convert it", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },

    /// A file does not hold the JSON that is expected, or a value cannot be written as JSON.
    #[error("{} is not the expected JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's answer, with line and column.
        source: serde_json::Error,
    },

    /// Another process writes to this folder or file.
    #[error("{} is in use by another run; wait for it or stop it", path.display())]
    Busy {
        /// The lock file that is held.
        path: PathBuf,
    },
}

/// Turns the system's answer to `action` on `path` into an [`Error::Io`]: `.map_err(io_error("open", path))`.
pub fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
