use std::path::PathBuf;

use crate::ServerError;

/// What can go wrong in this crate; every message names the file or the name at fault and what to do about it.
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

    /// A file with an image's extension does not decode.
    #[error("cannot decode {} as an image: {source}; replace the file or remove it", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The decoder's answer.
        source: image::ImageError,
    },

    /// An image could not be written as PNG.
    #[error("cannot encode {} as PNG: {source}", path.display())]
    Encode {
        /// The file that was to be written.
        path: PathBuf,
        /// The encoder's answer.
        source: image::ImageError,
    },

    /// An image's header announces more than [`MAX_SIDE`](crate::MAX_SIDE) pixels a side or more than
    /// [`MAX_DECODED_BYTES`](crate::MAX_DECODED_BYTES) bytes when decoded. Nothing was decoded.
    #[error(
        "{} is too large: at most {} pixels a side and {} MiB decoded are read; scale the file down first",
        path.display(), crate::MAX_SIDE, crate::MAX_DECODED_BYTES >> 20
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },

    /// An image has no pixels.
    #[error("{} has no pixels; replace the file or remove it", path.display())]
    NoPixels {
        /// The file, or the pair's name when it was to be written.
        path: PathBuf,
    },

    /// A folder that is needed is not there.
    #[error("the folder {} does not exist; create it or pass another folder", path.display())]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A folder holds no jpg, jpeg, png or webp file.
    #[error(
        "the folder {} holds no image (jpg, jpeg, png or webp); add some, or pass the folder that holds them",
        path.display()
    )]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },

    /// A file of `input/` or `target/` has no file of the same stem in the other folder.
    #[error(
        "{} has no partner of the same stem in {}; add it or remove the file",
        path.display(), folder.display()
    )]
    MissingPartner {
        /// The file without a partner.
        path: PathBuf,
        /// Where the partner was looked for.
        folder: PathBuf,
    },

    /// Two image files of one folder differ in their extension only, so a name does not say which is meant.
    #[error("{} and {} have the same stem; keep one of them", first.display(), second.display())]
    DuplicateStem {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },

    /// The two images of a pair have different dimensions.
    #[error(
        "{} is {}x{} pixels but {} is {}x{}; the images of a pair must have the same size",
        input.display(), input_size.0, input_size.1, target.display(), target_size.0, target_size.1
    )]
    PairSize {
        /// The input's file, or its place in the folder that was to be written.
        input: PathBuf,
        /// Width and height of the input in pixels.
        input_size: (u32, u32),
        /// The target's file, or its place in the folder that was to be written.
        target: PathBuf,
        /// Width and height of the target in pixels.
        target_size: (u32, u32),
    },

    /// An image lies directly in a pair folder but is not two squares side by side.
    #[error(
        "{} is {width}x{height} pixels, and an aligned pair is twice as wide as high; fix it, remove it, \
         or use the folders input/ and target/",
        path.display()
    )]
    NotAligned {
        /// The file.
        path: PathBuf,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },

    /// A pair's name cannot be a file name.
    #[error(
        "{name:?} cannot name a pair's files: use at least one character, no leading dot, no slash, \
         backslash or control character, and each name once"
    )]
    BadName {
        /// The name.
        name: String,
    },

    /// A side of zero, or above [`MAX_SIDE`](crate::MAX_SIDE), was asked for.
    #[error(
        "cannot resize images to {size}x{size} pixels: pass a size from 1 to {}",
        crate::MAX_SIDE
    )]
    BadSize {
        /// The side that was asked for, in pixels.
        size: usize,
    },

    /// No concept of the list has this name.
    #[error("no concept is named {name:?}{}", did_you_mean(suggestions))]
    UnknownConcept {
        /// The name that was asked for.
        name: String,
        /// Up to three near names of the list, nearest first.
        suggestions: Vec<String>,
    },

    /// No concept of the editor's list has this prompt.
    #[error("no concept has the prompt {prompt:?}{}", did_you_mean(suggestions))]
    UnknownPrompt {
        /// The prompt that was asked for.
        prompt: String,
        /// Up to three near prompts of the list, nearest first.
        suggestions: Vec<String>,
    },

    /// The photos come from too few sources for the split that was asked for.
    #[error(
        "the photos come from {found} sources, and {validation} for validation and {test} for test leave none \
         to train on; add photos or ask for fewer held-out sources"
    )]
    NotEnoughSources {
        /// Number of sources found.
        found: usize,
        /// Number of sources asked for validation.
        validation: usize,
        /// Number of sources asked for test.
        test: usize,
    },

    /// An [`ImageEditor`](crate::ImageEditor) outside this crate failed: a server did not answer, say.
    #[error("the editor {editor} failed: {message}")]
    Editor {
        /// The editor's name.
        editor: String,
        /// What happened and what to do about it.
        message: String,
    },

    /// A server behind an editor or a chat model failed, or answered what cannot be used.
    #[error("{server}: {source}")]
    Server {
        /// The name that the editor or the model was given.
        server: String,
        /// What happened.
        source: ServerError,
    },

    /// A setting that cannot work.
    #[error("{setting}: {message}")]
    BadSetting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it and what to do.
        message: String,
    },

    /// A text, JSON or JSON-lines file is not what it should be.
    #[error("{}: {message}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, where, and what to do.
        message: String,
    },

    /// Another process is writing to this folder or file.
    #[error("{} is in use by another run; wait for it or stop it", path.display())]
    Busy {
        /// The lock that is held.
        path: PathBuf,
    },
}

fn did_you_mean(suggestions: &[String]) -> String {
    if suggestions.is_empty() {
        return "; the list is empty".to_owned();
    }
    let quoted: Vec<String> = suggestions.iter().map(|name| format!("{name:?}")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

impl Error {
    /// Attempts at a server that it may have served, and charged, although no usable answer came.
    pub(crate) fn unanswered(&self) -> u32 {
        match self {
            Self::Server { source, .. } => source.unanswered(),
            _ => 0,
        }
    }
}
