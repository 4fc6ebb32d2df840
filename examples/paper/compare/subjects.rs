//! The concepts that are compared, with their pairs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::Split;
use concepts::images::composed;
use denoised_weights::pairs::{ConceptSource, concept_folders, concepts_of, read_prompt};
use denoised_weights_examples::Result;
use denoised_weights_examples::files::{read_json, trimmed};

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
    let prompts: BTreeMap<String, String> = read_json(file).map_err(|error| {
        format!(
            "{error}; the file maps folders to prompts, such as {{\"sketches\": \"charcoal sketch\"}}"
        )
    })?;
    let mut there = concept_folders(root)?;
    let mut folders = Vec::new();
    for (name, prompt) in prompts {
        let dir = there
            .remove(&composed(&name))
            .ok_or_else(|| fail(format!("{name:?} is not a folder in {}", root.display())))?;
        let prompt = trimmed(&prompt);
        if prompt.is_empty() {
            return Err(fail(format!("{name:?} has an empty prompt")).into());
        }
        folders.push((dir, prompt.to_owned()));
    }
    Ok(folders)
}

fn all_folders(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let folders = concept_folders(root)?.into_values();
    folders
        .map(|dir| {
            let prompt = read_prompt(&dir)?;
            Ok((dir, prompt))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn folders_get_their_prompts_from_the_file_or_from_themselves() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b", "a", ".hidden", "__MACOSX"] {
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
        std::fs::write(&file, "\u{feff}{\"b\": \" ink \"}\r\n").unwrap();
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
