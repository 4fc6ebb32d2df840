//! The concepts that are compared, with their pairs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::Split;
use denoised_weights::pairs::{ConceptSource, concepts_of, read_prompt};
use denoised_weights_examples::Result;

/// The held-out concepts of the list in `split`.
pub(crate) fn of_list(split: Split) -> Vec<ConceptSource> {
    let concepts = concepts_of(split).into_iter();
    concepts.map(ConceptSource::List).collect()
}

/// A folder per concept in `root`, with the prompts of `prompts` (JSON, folder → text; only the folders named there) or of
/// each folder's `prompt.txt`.
pub(crate) fn of_folders(root: &Path, prompts: Option<&Path>) -> Result<Vec<ConceptSource>> {
    let folders = match prompts {
        Some(file) => named_folders(root, file)?,
        None => all_folders(root)?,
    };
    if folders.is_empty() {
        return Err(format!("{}: there are no folders of pairs", root.display()).into());
    }
    let source = |(dir, prompt)| ConceptSource::Folder(dir, prompt);
    Ok(folders.into_iter().map(source).collect())
}

fn named_folders(root: &Path, file: &Path) -> Result<Vec<(PathBuf, String)>> {
    let fail = |message: String| format!("{}: {message}", file.display());
    let text = std::fs::read(file).map_err(|e| {
        fail(format!(
            "{e}; give a JSON file that maps folders to prompts"
        ))
    })?;
    let prompts: BTreeMap<String, String> = serde_json::from_slice(&text).map_err(|e| {
        fail(format!(
            "{e}; the file maps folders to prompts, such as {{\"sketches\": \"charcoal sketch\"}}"
        ))
    })?;
    let mut folders = Vec::new();
    for (name, prompt) in prompts {
        let dir = root.join(&name);
        let plain = Path::new(&name).components().count() == 1 && !name.contains(['/', '\\']);
        if !plain || name.starts_with('.') || !dir.is_dir() {
            return Err(fail(format!("{name:?} is not a folder in {}", root.display())).into());
        }
        if prompt.trim().is_empty() {
            return Err(fail(format!("{name:?} has an empty prompt")).into());
        }
        folders.push((dir, prompt.trim().to_owned()));
    }
    Ok(folders)
}

fn all_folders(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let fail = |e: std::io::Error| format!("{}: {e}", root.display());
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root).map_err(fail)? {
        let dir = entry.map_err(fail)?.path();
        let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if dir.is_dir() && !name.starts_with('.') {
            let prompt = read_prompt(&dir)?;
            folders.push((dir, prompt));
        }
    }
    folders.sort();
    Ok(folders)
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
            (r#"{"c": "ink"}"#, "\"c\" is not a folder"),
            (r#"{"../a": "ink"}"#, "is not a folder"),
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
