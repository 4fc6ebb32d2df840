use std::collections::BTreeSet;
use std::path::Path;

use image::RgbImage;
use resumable_runs::read_json;
use serde::{Deserialize, Serialize};

use crate::{Error, Op, suggest};

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

impl Split {
    /// The name of the split's folder: `train`, `val` or `test`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }
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
/// Returns [`Error::UnknownConcept`] with up to three similar names if there is none.
pub fn find<'a>(list: &'a [Concept], name: &str) -> Result<&'a Concept, Error> {
    list.iter()
        .find(|concept| concept.name == name)
        .ok_or_else(|| Error::UnknownConcept {
            name: name.to_owned(),
            suggestions: suggest::nearest(name, list.iter().map(|concept| concept.name.as_str())),
        })
}

/// Reads concepts of your own: a JSON list of [`Concept`]s.
///
/// ```
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("concepts.json");
/// let text = r#"[{"name": "ice", "prompt": "blue ice", "split": "test",
///     "edit": [{"op": "blend", "colour": [200, 230, 255], "amount": 0.5}]}]"#;
/// std::fs::write(&path, text)?;
/// assert_eq!(concepts::read_concepts(&path)?[0].prompt, "blue ice");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns [`Error::File`] if the file cannot be read or is not such a list, [`Error::NoConcepts`] if the list is empty,
/// [`Error::BadConceptName`] for names with characters other than `a-z`, `0-9` and `-`, [`Error::EmptyConcept`], and
/// [`Error::DuplicateConcept`] if a name or a prompt is used twice.
pub fn read_concepts(path: &Path) -> Result<Vec<Concept>, Error> {
    let list: Vec<Concept> = read_json(path)?;
    let path = || path.to_owned();
    if list.is_empty() {
        return Err(Error::NoConcepts { path: path() });
    }
    let (mut names, mut prompts) = (BTreeSet::new(), BTreeSet::new());
    for concept in &list {
        let Concept { name, prompt, .. } = concept;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Error::BadConceptName {
                path: path(),
                name: name.clone(),
            });
        }
        if prompt.trim().is_empty() || concept.edit.is_empty() {
            return Err(Error::EmptyConcept {
                path: path(),
                name: name.clone(),
            });
        }
        if !names.insert(name) || !prompts.insert(prompt) {
            return Err(Error::DuplicateConcept {
                path: path(),
                name: name.clone(),
                prompt: prompt.clone(),
            });
        }
    }
    Ok(list)
}
