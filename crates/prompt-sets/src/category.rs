use serde::{Deserialize, Serialize};

/// The paper's three kinds of concepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// An art style: "charcoal sketch".
    Art,
    /// A character: "zombie".
    Character,
    /// A modification of the face: "grey hair".
    Facial,
}

impl Category {
    /// All, in the order of the paper.
    pub const ALL: [Self; 3] = [Self::Art, Self::Character, Self::Facial];

    /// `art`, `character`, `facial`: for files and command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Art => "art",
            Self::Character => "character",
            Self::Facial => "facial",
        }
    }
}
