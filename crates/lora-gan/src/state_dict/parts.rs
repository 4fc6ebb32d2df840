//! Which of a file's objects is the state dict.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tensor_file::{NamedTensors, TensorFile};

use crate::error::Error;

/// A state dict on disk: a file, or one of the objects in it.
///
/// A path alone stands for a file whose state dict can be told: [`load`](super::load) takes paths as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDictFile {
    pub(super) path: PathBuf,
    pub(super) part: Option<String>,
}

impl StateDictFile {
    /// The state dict of a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path, part: None }
    }

    /// The object under `key` in the file, such as `params_ema`, `netG` or `state_dict.netG`.
    #[must_use]
    pub fn part(self, key: impl Into<String>) -> Self {
        let part = Some(key.into());
        Self { part, ..self }
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for StateDictFile {
    fn from(path: &P) -> Self {
        Self::new(path.as_ref())
    }
}

impl From<PathBuf> for StateDictFile {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

/// The file's name of each expected tensor, in the part that is asked for, or else in the one that can be meant.
pub(super) fn choose(
    file: &TensorFile<'_>,
    part: Option<&str>,
    expected: &NamedTensors,
) -> Result<BTreeMap<String, String>, Error> {
    if let Some(key) = part {
        return match_names(file, key, expected);
    }
    // A tensor of the network stands for all of them.
    let Some(name) = expected.keys().next() else {
        return match_names(file, "", expected);
    };
    let parts = file.parts_with(name);
    if parts.iter().any(String::is_empty) {
        return match_names(file, "", expected);
    }
    match parts.as_slice() {
        [part] => match_names(file, part, expected),
        [] if holds_objects(file, expected) => Err(Error::NoStateDict {
            path: file.path().to_owned(),
            keys: listed(&file.keys()),
            name: name.clone(),
        }),
        [] => match_names(file, "", expected),
        several => {
            let mut fits = several
                .iter()
                .filter_map(|part| match_names(file, part, expected).ok());
            match (fits.next(), fits.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => match_names(file, &several[0], expected),
                (Some(_), Some(_)) => Err(Error::SeveralStateDicts {
                    path: file.path().to_owned(),
                    keys: listed(several),
                }),
            }
        }
    }
}

/// Whether the first parts of the names are none of the network's.
fn holds_objects(file: &TensorFile<'_>, expected: &NamedTensors) -> bool {
    let own = |key: &String| {
        let mut names = expected.keys();
        names.any(|name| name == key || name.split('.').next() == Some(key))
    };
    let keys = file.keys();
    !keys.is_empty() && !keys.iter().any(own)
}

fn listed(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    keys.join(", ")
}

/// The file's name of each expected tensor in a part of the file; refuses missing, unknown and misshapen ones.
fn match_names(
    file: &TensorFile<'_>,
    part: &str,
    expected: &NamedTensors,
) -> Result<BTreeMap<String, String>, Error> {
    let path = || file.path().to_owned();
    let mut found = BTreeMap::new();
    for (name, source) in file.part(part)? {
        let shape = file.get(&source).map_or(&[][..], |tensor| tensor.shape);
        match expected.get(&name) {
            Some(own) if own.shape == shape => {
                found.insert(name, source);
            }
            Some(own) => {
                return Err(Error::TensorShape {
                    path: path(),
                    name: source.clone(),
                    found: shape.to_vec(),
                    expected: own.shape.clone(),
                });
            }
            None if super::is_skipped(&name, expected) => {}
            None => {
                return Err(Error::UnknownTensor {
                    path: path(),
                    name: source,
                });
            }
        }
    }
    match expected.keys().find(|name| !found.contains_key(*name)) {
        None => Ok(found),
        Some(name) => Err(Error::MissingTensor {
            path: path(),
            name: name.clone(),
        }),
    }
}
