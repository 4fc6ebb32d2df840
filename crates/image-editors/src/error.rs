use std::path::PathBuf;

use crate::WorkflowError;
use model_server_client::{ServerError, SetupError};
use resumable_runs::Error as FileError;

/// What can go wrong when editors are set up and run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server's address, its HTTP settings or its credentials cannot work.
    #[error(transparent)]
    Setup(#[from] SetupError),

    /// An editor failed, a name cannot be a file name, or an edit cannot be read.
    #[error(transparent)]
    Image(#[from] concepts::Error),

    /// A file or folder cannot be read, written or locked, or is not the JSON that is expected.
    #[error(transparent)]
    File(#[from] FileError),

    /// A ComfyUI workflow cannot be used.
    #[error("ComfyUI workflow: {0}")]
    Workflow(#[from] WorkflowError),

    /// A prompt template has no place for the prompt.
    #[error("the prompt template {template:?} has no {{prompt}}, the place for the concept's text")]
    NoPromptInTemplate {
        /// The template.
        template: String,
    },

    /// No diffusion model works at this size.
    #[error("the working side {side} is not a multiple of 8 from 64 to 4096")]
    BadSide {
        /// The side in pixels.
        side: u32,
    },

    /// An editor's configuration names two kinds of credentials.
    #[error("the editor {editor} has both key_env and basic_env; keep one")]
    TwoCredentials {
        /// The editor's name.
        editor: String,
    },

    /// An editor returned an image of another size than the photo's.
    #[error(
        "the editor {editor} returned {}x{} pixels for a photo of {}x{}; an edit must have the photo's size",
        edited.0, edited.1, photo.0, photo.1
    )]
    EditSize {
        /// The editor's name.
        editor: String,
        /// Width and height of the edit in pixels.
        edited: (u32, u32),
        /// Width and height of the photo in pixels.
        photo: (u32, u32),
    },

    /// An editor returned an image of one colour for a photo of several.
    #[error(
        "the editor {editor} returned an image of one colour ({colour}), which is no edit of the photo; did a content \
         filter withhold it?"
    )]
    FlatEdit {
        /// The editor's name.
        editor: String,
        /// The colour, as `#000000`.
        colour: String,
    },

    /// A concept is not one of the run's.
    #[error("the run has no concept {name:?}")]
    UnknownConcept {
        /// The concept's name.
        name: String,
    },

    /// There is no edit yet to choose from.
    #[error("the folder {} holds no edit yet; make some first", path.display())]
    NoEdits {
        /// The concept's folder of edits.
        path: PathBuf,
    },

    /// A quality score is NaN or infinite.
    #[error("the quality score {score} is {value} for {photo}, and must be finite")]
    NonFiniteScore {
        /// The score's name.
        score: String,
        /// Its value.
        value: f64,
        /// The photo's name.
        photo: String,
    },

    /// A network behind a quality score failed.
    #[error("the quality score {score} failed: {source}")]
    Score {
        /// The score's name.
        score: String,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// Two embeddings that are compared have different lengths.
    #[error(
        "embeddings of {left} and of {right} numbers cannot be compared; both towers must share one space"
    )]
    EmbeddingLength {
        /// The length of one.
        left: usize,
        /// The length of the other.
        right: usize,
    },

    /// A contact sheet would have no pixels, or too many.
    #[error(
        "a contact sheet of {columns} x {rows} tiles of {tile} pixels is empty or above 16384 pixels a side"
    )]
    SheetSize {
        /// Tiles in a row.
        columns: usize,
        /// Rows.
        rows: usize,
        /// Side of a tile in pixels.
        tile: usize,
    },
}

/// What an editor's failure is to callers of [`concepts::ImageEditor`].
pub(crate) fn editor_failed(editor: &str, source: ServerError) -> concepts::Error {
    concepts::Error::Editor {
        editor: editor.to_owned(),
        source: source.into(),
    }
}
