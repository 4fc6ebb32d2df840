//! The training concepts, of the shipped list or of a user's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use concepts::images::{composed, subfolders};
use concepts::{Concept, Split, art_concepts, find};
use resumable_runs::read_lines;

use super::concept_pairs::folder_name;
use super::{ConceptPairs, PairCounts, PhotoSplits};
use crate::Error;
use crate::error::Result;

/// Where a concept's pairs come from.
#[derive(Debug, Clone)]
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
/// a held-out one, [`Error::Concepts`] or [`Error::EmptyPrompt`] if a folder or prompt cannot be used, and
/// [`Error::NoConcepts`] if nothing is found.
pub fn training_sources(
    pairs: Option<&Path>,
    only: &[String],
) -> Result<Vec<(String, ConceptSource)>> {
    let found = match pairs {
        None => return listed_sources(art_concepts(), only),
        Some(root) => of_folder(root, only)?,
    };
    sorted(found)
}

/// The training concepts of `list` as sources, sorted by name. If `only` is not empty, it picks among them.
///
/// # Errors
/// Returns [`Error::Concepts`] for an unknown name in `only`, [`Error::HeldOutConcept`] for a held-out one, and
/// [`Error::NoConcepts`] if nothing is found.
pub fn listed_sources(list: Vec<Concept>, only: &[String]) -> Result<Vec<(String, ConceptSource)>> {
    for name in only {
        let concept = find(&list, name)?;
        if concept.split != Split::Train {
            return Err(Error::HeldOutConcept {
                concept: name.clone(),
                split: concept.split,
            });
        }
    }
    let chosen = (list.into_iter())
        .filter(|concept| concept.split == Split::Train)
        .filter(|concept| only.is_empty() || only.contains(&concept.name))
        .map(|concept| (concept.name.clone(), ConceptSource::List(concept)));
    sorted(chosen.collect())
}

fn sorted(found: BTreeMap<String, ConceptSource>) -> Result<Vec<(String, ConceptSource)>> {
    if found.is_empty() {
        return Err(Error::NoConcepts);
    }
    Ok(found.into_iter().collect())
}

fn of_folder(root: &Path, only: &[String]) -> Result<BTreeMap<String, ConceptSource>> {
    let mut folders = concept_folders(root)?;
    if !only.is_empty() {
        let find = |name: &String| {
            let name = composed(name);
            match folders.remove(&name) {
                Some(dir) => Ok((name, dir)),
                None => Err(Error::NoConceptFolder {
                    path: root.join(name),
                }),
            }
        };
        // A name may be given twice.
        let only: BTreeSet<&String> = only.iter().collect();
        folders = only.into_iter().map(find).collect::<Result<_>>()?;
    }
    folders
        .into_iter()
        .map(|(name, dir)| {
            let prompt = read_prompt(&dir)?;
            Ok((name, ConceptSource::Folder(dir, prompt)))
        })
        .collect()
}

/// The folders of concepts directly in `root` with their names, in Unicode's composed form, sorted. Hidden folders
/// (`.ipynb_checkpoints`, `__MACOSX`, `@eaDir`) are skipped, and links to folders are followed.
///
/// # Errors
/// Returns [`Error::Concepts`] if `root` cannot be read, or a name is not Unicode, and [`Error::OneConcept`] if it is a
/// concept's own folder.
pub fn concept_folders(root: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let folders = subfolders(root).map_err(concepts::Error::from)?;
    let has_prompt = |dir: &Path| dir.join(PROMPT_FILE).is_file();
    let of_pairs = has_prompt(root) || folders.contains_key("input");
    if of_pairs && !folders.values().any(|dir| has_prompt(dir)) {
        return Err(Error::OneConcept {
            path: root.to_owned(),
        });
    }
    Ok(folders)
}

/// The file with the prompt of a folder: of pairs, or of a LoRA file's.
pub(crate) const PROMPT_FILE: &str = "prompt.txt";

/// The text in a folder's `prompt.txt`, on one line; lines that begin with `#` are comments.
///
/// # Errors
/// Returns [`Error::NoPrompt`] or [`Error::EmptyPrompt`], which name the file, if it is missing or has no text, and
/// [`Error::Run`] if it is not in UTF-8.
pub fn read_prompt(dir: &Path) -> Result<String> {
    let path = dir.join(PROMPT_FILE);
    let lines = read_lines(&path).map_err(|error| match error {
        resumable_runs::Error::WholeFile(tensor_file::Error::Io { path, source }) => {
            Error::NoPrompt { path, source }
        }
        other => other.into(),
    })?;
    if lines.is_empty() {
        return Err(Error::EmptyPrompt { path });
    }
    Ok(lines.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_concepts_are_read_as_folders_of_images_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        // None of the last three has a prompt.
        let folders = [
            "ink",
            "cafe\u{301}",
            ".ipynb_checkpoints",
            "__MACOSX",
            "@eaDir",
        ];
        for name in folders {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        for name in &folders[..2] {
            std::fs::write(root.join(name).join("prompt.txt"), "a style\n").unwrap();
        }
        std::fs::write(root.join("notes.txt"), "no folder").unwrap();
        let names = |only: &[&str]| {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            let found = training_sources(Some(root), &only).unwrap();
            found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["café", "ink"]);
        assert_eq!(names(&["café"]), ["café"]);
        assert_eq!(names(&["ink", "ink"]), ["ink"]);
        // A concept's own folder is not one of concepts, with or without its prompt.
        let ink = root.join("ink");
        let refused = || match training_sources(Some(&ink), &[]) {
            Err(Error::OneConcept { path }) => assert_eq!(path, ink),
            other => panic!("{other:?}"),
        };
        refused();
        std::fs::remove_file(ink.join("prompt.txt")).unwrap();
        std::fs::create_dir(ink.join("input")).unwrap();
        refused();
    }
}
