//! The training concepts, of the shipped list or of a user's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use concepts::{Concept, Split, art_concepts, find};

use super::concept_pairs::folder_name;
use super::{ConceptPairs, PairCounts, PhotoSplits};
use crate::Error;
use crate::error::{Result, io};

/// Where a concept's pairs come from.
pub enum ConceptSource {
    /// Photos edited as the shipped list says.
    List(Concept),
    /// A folder of pairs, with its prompt.
    Folder(PathBuf, String),
}

impl ConceptSource {
    /// The concept's name: that in the list, or that of the folder.
    pub fn name(&self) -> &str {
        match self {
            Self::List(concept) => &concept.name,
            Self::Folder(dir, _) => folder_name(dir),
        }
    }

    /// The concept's text.
    pub fn prompt(&self) -> &str {
        match self {
            Self::List(concept) => &concept.prompt,
            Self::Folder(_, prompt) => prompt,
        }
    }

    /// The pairs to train on and to measure on. For a concept of the list, `photos` are edited: the training photos, and
    /// those of the split `measured` to measure on.
    ///
    /// # Errors
    /// Returns [`Error::NoPhotos`] if the concept is of the list and `photos` is `None`, and otherwise as
    /// [`ConceptPairs::edited`] and [`ConceptPairs::folder`].
    pub fn pairs(
        &self,
        photos: Option<&PhotoSplits>,
        measured: Split,
        counts: PairCounts,
        size: usize,
        device: &Device,
    ) -> Result<ConceptPairs> {
        match (self, photos) {
            (Self::List(concept), Some(photos)) => {
                let measured = photos.of(measured);
                ConceptPairs::edited(concept, &photos.train, measured, counts, size, device)
            }
            (Self::List(concept), None) => Err(Error::NoPhotos {
                concept: concept.name.clone(),
            }),
            (Self::Folder(dir, prompt), _) => {
                ConceptPairs::folder(dir, prompt, counts, size, device)
            }
        }
    }
}

/// Training concepts with their sources, sorted by name: those of the shipped list, or the folders in `pairs` (each with
/// `prompt.txt`). If `only` is not empty, it picks among them.
///
/// # Errors
/// Returns [`Error::Concepts`] or [`Error::NoConceptFolder`] for an unknown name in `only`, [`Error::HeldOutConcept`] for
/// a held-out one, [`Error::Io`] or [`Error::EmptyPrompt`] if a folder or prompt cannot be used, and
/// [`Error::NoConcepts`] if nothing is found.
pub fn training_sources(
    pairs: Option<&Path>,
    only: &[String],
) -> Result<Vec<(String, ConceptSource)>> {
    let found = match pairs {
        None => of_list(only)?,
        Some(root) => of_folder(root, only)?,
    };
    if found.is_empty() {
        return Err(Error::NoConcepts);
    }
    Ok(found.into_iter().collect())
}

fn of_list(only: &[String]) -> Result<BTreeMap<String, ConceptSource>> {
    let list = art_concepts();
    for name in only {
        let concept = find(&list, name)?;
        if concept.split != Split::Train {
            return Err(Error::HeldOutConcept {
                concept: name.clone(),
                split: concept.split,
            });
        }
    }
    Ok(list
        .into_iter()
        .filter(|concept| concept.split == Split::Train)
        .filter(|concept| only.is_empty() || only.contains(&concept.name))
        .map(|concept| (concept.name.clone(), ConceptSource::List(concept)))
        .collect())
}

fn of_folder(root: &Path, only: &[String]) -> Result<BTreeMap<String, ConceptSource>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root).map_err(io("read the folder", root))? {
        let dir = entry.map_err(io("read the folder", root))?.path();
        let name = dir
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        if !dir.is_dir() || !(only.is_empty() || only.contains(&name)) {
            continue;
        }
        let prompt = read_prompt(&dir)?;
        found.insert(name, ConceptSource::Folder(dir, prompt));
    }
    match only.iter().find(|name| !found.contains_key(*name)) {
        Some(name) => Err(Error::NoConceptFolder {
            path: root.join(name),
        }),
        None => Ok(found),
    }
}

/// The text in a folder's `prompt.txt`.
///
/// # Errors
/// Returns [`Error::NoPrompt`] or [`Error::EmptyPrompt`], which name the file, if it is missing or empty.
pub fn read_prompt(dir: &Path) -> Result<String> {
    let path = dir.join("prompt.txt");
    let text = std::fs::read_to_string(&path).map_err(|source| Error::NoPrompt {
        path: path.clone(),
        source,
    })?;
    let prompt = text.trim().to_owned();
    if prompt.is_empty() {
        return Err(Error::EmptyPrompt { path });
    }
    Ok(prompt)
}
