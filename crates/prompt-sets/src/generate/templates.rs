use std::path::Path;

use resumable_runs::read_text;

use crate::{Category, Error};

/// The texts that the chat model gets, as text files that can be changed: `system.txt`, `generate.txt`, `paraphrase.txt`, and
/// a description of each category in `art.txt`, `character.txt` and `facial.txt`.
///
/// | file | placeholders |
/// | --- | --- |
/// | `generate.txt` | `{count}`, `{category}` (the description), `{max_words}`, `{known}` |
/// | `paraphrase.txt` | `{count}`, `{category}`, `{max_words}`, `{concept}` |
///
/// The default texts are those in `crates/prompt-sets/prompts/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    system: String,
    generate: String,
    paraphrase: String,
    categories: [String; 3],
}

impl Default for Templates {
    fn default() -> Self {
        let text = |text: &str| text.trim().to_owned();
        Self {
            system: text(include_str!("../../prompts/system.txt")),
            generate: text(include_str!("../../prompts/generate.txt")),
            paraphrase: text(include_str!("../../prompts/paraphrase.txt")),
            categories: [
                text(include_str!("../../prompts/art.txt")),
                text(include_str!("../../prompts/character.txt")),
                text(include_str!("../../prompts/facial.txt")),
            ],
        }
    }
}

impl Templates {
    /// The files in `dir`, with the default text for every file that it lacks.
    ///
    /// # Errors
    /// Returns [`Error::MissingFolder`], [`Error::File`] if a file cannot be read, and [`Error::MissingPlaceholder`] if one
    /// lacks a placeholder without which its question makes no sense.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        if !dir.is_dir() {
            return Err(Error::MissingFolder {
                path: dir.to_owned(),
            });
        }
        let mut templates = Self::default();
        let [art, character, facial] = &mut templates.categories;
        for (name, text, needed) in [
            ("system.txt", &mut templates.system, &[][..]),
            (
                "generate.txt",
                &mut templates.generate,
                &["{count}", "{category}"],
            ),
            (
                "paraphrase.txt",
                &mut templates.paraphrase,
                &["{count}", "{concept}"],
            ),
            ("art.txt", art, &[]),
            ("character.txt", character, &[]),
            ("facial.txt", facial, &[]),
        ] {
            let path = dir.join(name);
            if !path.exists() {
                continue;
            }
            *text = read_text(&path)?.trim().to_owned();
            if let Some(missing) = needed.iter().find(|part| !text.contains(*part)) {
                return Err(Error::MissingPlaceholder {
                    path,
                    placeholder: missing,
                });
            }
        }
        Ok(templates)
    }

    pub(super) fn system(&self) -> &str {
        &self.system
    }

    fn category(&self, category: Category) -> &str {
        let [art, character, facial] = &self.categories;
        match category {
            Category::Art => art,
            Category::Character => character,
            Category::Facial => facial,
        }
    }

    pub(super) fn generate(
        &self,
        category: Category,
        count: usize,
        max_words: usize,
        known: &[&str],
    ) -> String {
        let known = if known.is_empty() {
            "(none yet)".to_owned()
        } else {
            known.join("\n")
        };
        self.generate
            .replace("{category}", self.category(category))
            .replace("{count}", &count.to_string())
            .replace("{max_words}", &max_words.to_string())
            .replace("{known}", &known)
    }

    pub(super) fn paraphrase(
        &self,
        category: Category,
        concept: &str,
        count: usize,
        max_words: usize,
    ) -> String {
        self.paraphrase
            .replace("{category}", self.category(category))
            .replace("{count}", &count.to_string())
            .replace("{max_words}", &max_words.to_string())
            .replace("{concept}", concept)
    }
}
