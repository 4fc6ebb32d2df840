use serde::{Deserialize, Serialize};

use crate::{Error, Op, suggest};
use image::RgbImage;

/// Which part of an experiment a concept or a photo belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Models train on it.
    Train,
    /// Settings are chosen on it; models do not train on it.
    Validation,
    /// Results are reported on it; nothing else sees it.
    Test,
}

/// A text concept and the edit that stands for it.
///
/// ```
/// let concepts = concepts::art_concepts();
/// let sketch = concepts::find(&concepts, "teal-charcoal-sketch")?;
/// assert_eq!(sketch.prompt, "teal charcoal sketch");
/// # Ok::<(), concepts::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Concept {
    /// A short name for files and command lines: `a-z`, `0-9` and `-` only, unique in its list.
    pub name: String,
    /// The text that a model sees, unique in its list.
    pub prompt: String,
    /// The part of an experiment that it belongs to.
    pub split: Split,
    /// The stages of the edit, in the order in which they are applied.
    pub edit: Vec<Op>,
}

impl Concept {
    /// Edits `photo` [height, width, RGB]; the result has the same dimensions. The same photo always gives the same
    /// result. An image without pixels comes back as it is.
    pub fn apply(&self, photo: &RgbImage) -> RgbImage {
        self.edit
            .iter()
            .fold(photo.clone(), |image, op| op.apply(&image))
    }
}

/// The concept of `list` whose [`name`](Concept::name) is `name`.
///
/// # Errors
/// [`Error::UnknownConcept`] with up to three near names when there is none.
pub fn find<'a>(list: &'a [Concept], name: &str) -> Result<&'a Concept, Error> {
    list.iter()
        .find(|concept| concept.name == name)
        .ok_or_else(|| Error::UnknownConcept {
            name: name.to_owned(),
            suggestions: suggest::nearest(name, list.iter().map(|concept| concept.name.as_str())),
        })
}
