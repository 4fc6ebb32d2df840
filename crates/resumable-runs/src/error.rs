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

    /// A whole file cannot be read or written, is larger than its limit, or is a text in another encoding than UTF-8.
    #[error(transparent)]
    WholeFile(#[from] tensor_file::Error),

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

    /// What would be written is what is read.
    #[error(
        "writing {} would replace {}, which is read; write to another place",
        output.display(), input.display()
    )]
    OutputIsInput {
        /// What would be written.
        output: PathBuf,
        /// The file or folder that is read.
        input: PathBuf,
    },

    /// What would be written lies in a folder that is read.
    #[error(
        "{} would be written into {}, which is read; write to another place",
        output.display(), folder.display()
    )]
    OutputInInput {
        /// What would be written.
        output: PathBuf,
        /// The folder that is read.
        folder: PathBuf,
    },

    /// What is read lies in a folder whose files are replaced.
    #[error(
        "{} is read, and the files in {} are replaced; write to another place",
        input.display(), output.display()
    )]
    InputInOutput {
        /// The file or folder that is read.
        input: PathBuf,
        /// The folder that would be written.
        output: PathBuf,
    },

    /// Two of the files that would be written are one.
    #[error(
        "{} and {} would be one file (on many systems, names that differ only in upper and lower case are); \
         give them different names",
        first.display(), second.display()
    )]
    SameOutput {
        /// What would be written first.
        first: PathBuf,
        /// What would replace it.
        second: PathBuf,
    },

    /// A file that would be written among others that the run writes.
    #[error(
        "{} would be written into {}, which is for other results of the same run; write to another place",
        output.display(), folder.display()
    )]
    OutputInOutput {
        /// What would be written.
        output: PathBuf,
        /// The folder of the other results.
        folder: PathBuf,
    },

    /// A file where a folder is needed.
    #[error("{} is a file, and {} cannot be written below it; write to another place", file.display(), output.display())]
    NotAFolder {
        /// The file.
        file: PathBuf,
        /// What would be written.
        output: PathBuf,
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
