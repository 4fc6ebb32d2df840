use serde::{Deserialize, Serialize};

/// Among which edits the best is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// For each photo, the edit with the highest score, whichever editor made it; the paper's way. A photo on which one
    /// editor failed has another's edit.
    #[default]
    PerImage,
    /// For all photos of a concept, the editor with the highest mean score among those that edited the most photos. All
    /// edits then have one manner, which suits a small network that learns from few of them.
    PerConcept,
}

/// An editor's scores over a concept's photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditorScore {
    /// The editor.
    pub editor: String,
    /// Photos that it edited.
    pub photos: usize,
    /// Photos whose chosen edit is its own.
    pub chosen: usize,
    /// The mean score.
    pub mean: f64,
}

/// The edit that was chosen for a photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChosenEdit {
    /// The photo's name.
    pub photo: String,
    /// The editor that made the edit.
    pub editor: String,
    /// The edit's score.
    pub score: f64,
}
