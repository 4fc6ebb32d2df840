//! The training concepts, of the shipped list or of a user's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::{Concept, Split, art_concepts, find};

use crate::Result;

/// Where a concept's pairs come from.
pub enum Source {
    /// Photos edited as the shipped list says.
    List(Concept),
    /// A folder of pairs, with its prompt.
    Folder(PathBuf, String),
}

/// Training concepts with their sources, sorted by name: those of the shipped list, or the folders
/// of `pairs` (each with `prompt.txt`). Not empty, `only` picks among them.
///
/// # Errors
/// A name in `only` that is unknown or held out, a folder or prompt that cannot be read, nothing
/// found.
pub fn training_sources(pairs: Option<&Path>, only: &[String]) -> Result<Vec<(String, Source)>> {
    let found = match pairs {
        None => of_list(only)?,
        Some(root) => of_folder(root, only)?,
    };
    if found.is_empty() {
        return Err("there are no training concepts".into());
    }
    Ok(found.into_iter().collect())
}

fn of_list(only: &[String]) -> Result<BTreeMap<String, Source>> {
    let list = art_concepts();
    for name in only {
        let concept = find(&list, name)?;
        if concept.split != Split::Train {
            return Err(format!(
                "{name} is held out ({:?}) and must not enter a zoo; choose training concepts",
                concept.split
            )
            .into());
        }
    }
    Ok(list
        .into_iter()
        .filter(|concept| concept.split == Split::Train)
        .filter(|concept| only.is_empty() || only.contains(&concept.name))
        .map(|concept| (concept.name.clone(), Source::List(concept)))
        .collect())
}

fn of_folder(root: &Path, only: &[String]) -> Result<BTreeMap<String, Source>> {
    let mut found = BTreeMap::new();
    let fail = |e: std::io::Error| format!("{}: {e}", root.display());
    for entry in std::fs::read_dir(root).map_err(fail)? {
        let dir = entry.map_err(fail)?.path();
        let name = dir
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default()
            .to_owned();
        if !dir.is_dir() || !(only.is_empty() || only.contains(&name)) {
            continue;
        }
        let prompt = prompt_of(&dir)?;
        found.insert(name, Source::Folder(dir, prompt));
    }
    match only.iter().find(|name| !found.contains_key(*name)) {
        Some(name) => Err(format!("{}: there is no folder {name}", root.display()).into()),
        None => Ok(found),
    }
}

/// The text in a folder's `prompt.txt`.
///
/// # Errors
/// Names the file that is missing or empty.
pub fn prompt_of(dir: &Path) -> Result<String> {
    let path = dir.join("prompt.txt");
    let text = std::fs::read_to_string(&path).map_err(|e| {
        format!(
            "{}: {e}; each concept's folder needs its text there",
            path.display()
        )
    })?;
    let prompt = text.trim().to_owned();
    if prompt.is_empty() {
        return Err(format!(
            "{}: is empty; write the concept's text there",
            path.display()
        )
        .into());
    }
    Ok(prompt)
}
