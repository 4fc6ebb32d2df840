//! What is compared: concepts with their pairs, and methods.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use concepts::{Concept, Split};
use denoised_weights::pairs::{ConceptPairs, PairCounts, PhotoSplits, concepts_of, read_prompt};
use denoised_weights_examples::Result;

/// A concept to run.
pub(crate) enum Subject {
    /// Held out of the shipped list.
    Held(Concept),
    /// A folder of pairs with its prompt.
    Folder {
        name: String,
        dir: PathBuf,
        prompt: String,
    },
}

impl Subject {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Held(concept) => &concept.name,
            Self::Folder { name, .. } => name,
        }
    }

    pub(crate) fn prompt(&self) -> &str {
        match self {
            Self::Held(concept) => &concept.prompt,
            Self::Folder { prompt, .. } => prompt,
        }
    }

    /// Its pairs; `photos` are there for those of the list.
    pub(crate) fn pairs(
        &self,
        photos: Option<&PhotoSplits>,
        counts: PairCounts,
        size: usize,
        device: &Device,
    ) -> Result<ConceptPairs> {
        match (self, photos) {
            (Self::Held(concept), Some(photos)) => {
                let measured = match concept.split {
                    Split::Validation => &photos.validation,
                    _ => &photos.test,
                };
                Ok(ConceptPairs::edited(
                    concept,
                    &photos.train,
                    measured,
                    counts,
                    size,
                    device,
                )?)
            }
            (Self::Held(concept), None) => {
                Err(format!("{}: there are no photos to edit", concept.name).into())
            }
            (Self::Folder { name, dir, prompt }, _) => {
                let mut pairs = ConceptPairs::folder(dir, prompt, counts, size, device)?;
                pairs.name = name.clone();
                Ok(pairs)
            }
        }
    }
}

/// The held-out concepts of the list in `split`.
pub(crate) fn of_list(split: Split) -> Vec<Subject> {
    concepts_of(split).into_iter().map(Subject::Held).collect()
}

/// A folder per concept below `root`, with the prompts of `prompts` (JSON, folder → text; only the folders
/// named there) or of each folder's `prompt.txt`.
pub(crate) fn of_folders(root: &Path, prompts: Option<&Path>) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    if let Some(file) = prompts {
        let text = std::fs::read(file).map_err(|e| {
            format!(
                "{}: {e}; give a JSON file that maps folders to prompts",
                file.display()
            )
        })?;
        let prompts: std::collections::BTreeMap<String, String> = serde_json::from_slice(&text)
            .map_err(|e| {
                format!(
                    "{}: {e}; the file maps folders to prompts, as {{\"sketches\": \"charcoal sketch\"}}",
                    file.display()
                )
            })?;
        for (name, prompt) in prompts {
            let dir = root.join(&name);
            let plain = Path::new(&name).components().count() == 1 && !name.contains(['/', '\\']);
            if !plain || name.starts_with('.') || !dir.is_dir() {
                let (file, root) = (file.display(), root.display());
                return Err(format!("{file}: {name:?} is no folder in {root}").into());
            }
            if prompt.trim().is_empty() {
                return Err(format!("{}: {name:?} has an empty prompt", file.display()).into());
            }
            let prompt = prompt.trim().to_owned();
            subjects.push(Subject::Folder { name, dir, prompt });
        }
    } else {
        let entries = std::fs::read_dir(root).map_err(|e| format!("{}: {e}", root.display()))?;
        for entry in entries {
            let dir = entry
                .map_err(|e| format!("{}: {e}", root.display()))?
                .path();
            let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if dir.is_dir() && !name.starts_with('.') {
                subjects.push(Subject::Folder {
                    name: name.to_owned(),
                    prompt: read_prompt(&dir)?,
                    dir,
                });
            }
        }
        subjects.sort_by(|a, b| a.name().cmp(b.name()));
    }
    if subjects.is_empty() {
        return Err(format!("{}: there are no folders of pairs", root.display()).into());
    }
    Ok(subjects)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_get_their_prompts_from_the_file_or_from_themselves() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b", "a", ".hidden"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let error = of_folders(root.path(), None).err().unwrap().to_string();
        assert!(error.contains("prompt.txt"), "{error}");
        for name in ["a", "b"] {
            std::fs::write(
                root.path().join(name).join("prompt.txt"),
                format!("{name} sketch\n"),
            )
            .unwrap();
        }
        let found = of_folders(root.path(), None).unwrap();
        let names: Vec<_> = found.iter().map(|s| (s.name(), s.prompt())).collect();
        assert_eq!(names, [("a", "a sketch"), ("b", "b sketch")]);

        let file = root.path().join("prompts.json");
        std::fs::write(&file, r#"{"b": " ink "}"#).unwrap();
        let found = of_folders(root.path(), Some(&file)).unwrap();
        assert_eq!(
            (found.len(), found[0].name(), found[0].prompt()),
            (1, "b", "ink")
        );
        for (text, expected) in [
            (r#"{"c": "ink"}"#, "\"c\" is no folder"),
            (r#"{"../a": "ink"}"#, "is no folder"),
            (r#"{"a": " "}"#, "empty prompt"),
            ("[]", "maps folders to prompts"),
            ("{}", "there are no folders"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = of_folders(root.path(), Some(&file))
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
