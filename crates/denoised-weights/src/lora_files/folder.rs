//! Folders of LoRA files, each with its prompt.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use concepts::pairs::name_of;
use image_files::is_hidden;
use resumable_runs::{read_text, trimmed};
use serde::Deserialize;

use super::{LoraFilesError, PEFT_WEIGHTS};
use crate::error::{Result, io};
use crate::pairs::{PROMPT_FILE, read_prompt};

/// The list of prompts, as in image folders of Hugging Face's datasets.
const METADATA: &str = "metadata.jsonl";

/// The files of weights in an adapter's own folder: PEFT's, and that of diffusers' training scripts.
const IN_FOLDER: [&str; 2] = [PEFT_WEIGHTS, "pytorch_lora_weights.safetensors"];

/// A LoRA file and what it does, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptedLora {
    /// Name of its concept in a zoo, made from that of the file or folder.
    pub name: String,
    /// The safetensors file.
    pub path: PathBuf,
    /// The prompt.
    pub prompt: String,
}

/// The adapters directly in `dir`, by name: safetensors files, and folders of PEFT (`NAME/adapter_model.safetensors`) and of
/// diffusers' training scripts (`NAME/pytorch_lora_weights.safetensors`).
///
/// The prompt of `NAME.safetensors` is the text of `NAME.txt`, as captions are stored for kohya's sd-scripts; that of a
/// folder is in `NAME/prompt.txt`, as [`read_prompt`] reads it. Or `metadata.jsonl` has a line
/// `{"file_name": "NAME.safetensors", "text": "…"}` for each, with the name alone for a folder. Hidden files and folders are
/// skipped.
///
/// # Errors
/// Returns [`Error::LoraFiles`](crate::Error::LoraFiles), which names the file, for a folder without adapters, one without a
/// prompt, two of one name, pickled weights, and a list that does not fit the folder; [`Error::File`](crate::Error::File) or
/// [`Error::Io`](crate::Error::Io) if a file or the folder cannot be read.
pub fn list_lora_files(dir: &Path) -> Result<Vec<PromptedLora>> {
    if dir.join("adapter_config.json").exists() {
        return Err(LoraFilesError::OneAdapter.at(dir));
    }
    let mut adapters = adapters(dir)?;
    if adapters.is_empty() {
        return Err(LoraFilesError::None.at(dir));
    }
    let metadata = dir.join(METADATA);
    let mut listed = match metadata.exists() {
        true => Some(read_metadata(&metadata, &adapters)?),
        false => None,
    };
    let mut found: BTreeMap<String, (String, PromptedLora)> = BTreeMap::new();
    while let Some((file, path)) = adapters.pop_first() {
        let prompt = match &mut listed {
            Some(listed) => (listed.remove(&file))
                .ok_or_else(|| LoraFilesError::NotInMetadata.at(&dir.join(&file)))?,
            None => prompt_of(&path)?,
        };
        let stem = file.strip_suffix(".safetensors").unwrap_or(&file);
        let name = name_of(stem).ok_or_else(|| LoraFilesError::Name.at(&dir.join(&file)))?;
        if let Some((other, _)) = found.get(&name) {
            let other = other.clone();
            return Err(LoraFilesError::SameName { other, name }.at(&dir.join(&file)));
        }
        let lora = PromptedLora {
            name: name.clone(),
            path,
            prompt,
        };
        found.insert(name, (file, lora));
    }
    Ok(found.into_values().map(|(_, lora)| lora).collect())
}

/// The adapters' safetensors files by the name of the file or folder.
fn adapters(dir: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let fail = io("read the folder", dir);
    for entry in std::fs::read_dir(dir).map_err(&fail)? {
        let entry = entry.map_err(&fail)?;
        let (name, path) = (entry.file_name(), entry.path());
        if is_hidden(&name) {
            continue;
        }
        let Some(name) = name.to_str() else {
            return Err(LoraFilesError::Name.at(&path));
        };
        if path.is_dir() {
            let weights = weights_of(&path);
            if weights != path {
                found.insert(name.to_owned(), weights);
            } else if path.join("adapter_model.bin").exists() {
                return Err(LoraFilesError::Pickled.at(&path));
            }
        } else if path.extension().is_some_and(|e| e == "safetensors") {
            found.insert(name.to_owned(), path);
        }
    }
    Ok(found)
}

/// The file of weights in an adapter's folder; anything else is given back as it is.
pub(super) fn weights_of(path: &Path) -> PathBuf {
    let weights = IN_FOLDER.map(|name| path.join(name));
    let found = weights.into_iter().find(|weights| weights.exists());
    found.unwrap_or_else(|| path.to_owned())
}

/// The prompt of the adapter `path`, which is in no list: in its folder's `prompt.txt`, or in the caption beside the file.
fn prompt_of(path: &Path) -> Result<String> {
    let is_weights = |name| IN_FOLDER.iter().any(|weights| name == *weights);
    let in_folder = path.file_name().is_some_and(is_weights);
    let file = match in_folder {
        true => path.with_file_name(PROMPT_FILE),
        false => path.with_extension("txt"),
    };
    if !file.exists() {
        let expected = file;
        return Err(LoraFilesError::NoPrompt { expected }.at(path));
    }
    match (in_folder, path.parent()) {
        (true, Some(folder)) => read_prompt(folder),
        _ => checked(&read_text(&file)?).map_err(|error| error.at(&file)),
    }
}

/// A prompt that has words, on one line.
fn checked(text: &str) -> Result<String, LoraFilesError> {
    let prompt = trimmed(text);
    match prompt.lines().count() {
        0 => Err(LoraFilesError::EmptyPrompt),
        1 => Ok(prompt.to_owned()),
        lines => Err(LoraFilesError::Lines { lines }),
    }
}

/// The prompts of `metadata.jsonl` by the name of the file or folder.
fn read_metadata(
    path: &Path,
    adapters: &BTreeMap<String, PathBuf>,
) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Line {
        file_name: String,
        text: String,
    }
    let mut prompts = BTreeMap::new();
    for (i, text) in read_text(path)?.lines().enumerate() {
        if trimmed(text).is_empty() {
            continue;
        }
        let line = i + 1;
        let read = serde_json::from_str(trimmed(text));
        let Line { file_name, text } =
            read.map_err(|source| LoraFilesError::Metadata { line, source }.at(path))?;
        // `NAME/adapter_model.safetensors` is the folder NAME.
        let name = match file_name.rsplit_once('/') {
            Some((folder, weights)) if IN_FOLDER.contains(&weights) => folder,
            _ => &file_name,
        };
        let name = name.to_owned();
        let prompt = checked(&text).map_err(|error| error.at(path))?;
        if !adapters.contains_key(&name) || prompts.insert(name.clone(), prompt).is_some() {
            return Err(LoraFilesError::Unlisted { line, name }.at(path));
        }
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn listed(dir: &Path) -> Result<Vec<(String, String)>, String> {
        let files = list_lora_files(dir).map_err(|error| error.to_string())?;
        Ok(files.into_iter().map(|f| (f.name, f.prompt)).collect())
    }

    fn pair(name: &str, prompt: &str) -> (String, String) {
        (name.to_owned(), prompt.to_owned())
    }

    #[test]
    fn prompts_are_captions_prompt_files_or_a_list() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        write(dir, "Old Film.safetensors", "");
        write(dir, "Old Film.txt", "\u{feff}an old film \r\n");
        write(dir, "fresco/adapter_model.safetensors", "");
        write(dir, "fresco/prompt.txt", "a fresco\n");
        write(dir, "ink/pytorch_lora_weights.safetensors", "");
        write(dir, "ink/prompt.txt", "ink");
        write(dir, ".ipynb_checkpoints/adapter_model.safetensors", "");
        write(dir, "notes/readme.txt", "mine");
        let expected = [
            pair("fresco", "a fresco"),
            pair("ink", "ink"),
            pair("old-film", "an old film"),
        ];
        assert_eq!(listed(dir).unwrap(), expected);
        std::fs::remove_dir_all(dir.join("ink")).unwrap();
        let list = "{\"file_name\": \"Old Film.safetensors\", \"text\": \"film\"}\n\n\
                    {\"file_name\": \"fresco\", \"text\": \"wall\", \"author\": \"me\"}\n";
        write(dir, METADATA, list);
        let expected = [pair("fresco", "wall"), pair("old-film", "film")];
        assert_eq!(listed(dir).unwrap(), expected);
        write(
            dir,
            METADATA,
            &list.replace("\"fresco\"", "\"fresco/adapter_model.safetensors\""),
        );
        assert_eq!(listed(dir).unwrap(), expected);
    }

    #[test]
    fn prompt_files_have_one_format_and_captions_another() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let text = "# of 2024\nan old\nfilm\n";
        write(dir, "film/adapter_model.safetensors", "");
        write(dir, "film/prompt.txt", text);
        write(dir, "日本 Café.safetensors", "");
        write(dir, "日本 Café.txt", "#ukiyo-e\n");
        let expected = [pair("film", "an old film"), pair("日本-café", "#ukiyo-e")];
        assert_eq!(listed(dir).unwrap(), expected);
        assert_eq!(read_prompt(&dir.join("film")).unwrap(), "an old film");
        write(dir, "日本 Café.txt", text);
        assert!(listed(dir).unwrap_err().contains("3 lines"));
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said_with_the_file() {
        let root = tempfile::tempdir().unwrap();
        let refused = |files: &[(&str, &str)], part: &str| {
            let dir = tempfile::tempdir_in(&root).unwrap();
            for (name, text) in files {
                write(dir.path(), name, text);
            }
            let error = listed(dir.path()).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        refused(&[("a.txt", "a")], "no LoRA file");
        refused(&[("a.safetensors", "")], "a.txt");
        refused(&[("a/adapter_model.safetensors", "")], "a/prompt.txt");
        refused(&[("a/adapter_model.bin", "")], "pickled");
        let one = [
            ("adapter_model.safetensors", ""),
            ("adapter_config.json", ""),
        ];
        refused(&one, "one adapter");
        refused(
            &[("a.safetensors", ""), ("a.txt", " \n")],
            "a.txt: the prompt is empty",
        );
        refused(&[("a.safetensors", ""), ("a.txt", "b\nc\n")], "2 lines");
        let both = [
            ("A b.safetensors", ""),
            ("A b.txt", "x"),
            ("a-b.safetensors", ""),
            ("a-b.txt", "y"),
        ];
        refused(&both, "\"a-b\"");
        refused(&[("….safetensors", ""), ("….txt", "x")], "rename it");
        let folder = [
            ("a/adapter_model.safetensors", ""),
            ("a/prompt.txt", "# x\n"),
        ];
        refused(&folder, "a/prompt.txt: there is no text");
        let list = |text| [("a.safetensors", ""), (METADATA, text)];
        refused(&list(""), "no line for it");
        refused(&list("{\"file_name\": \"a.safetensors\"}"), "line 1");
        refused(
            &list("{\"file_name\": \"../a.safetensors\", \"text\": \"x\"}"),
            "line 1 names",
        );
        refused(
            &list("{\"file_name\": \"a.safetensors\", \"text\": \"\"}"),
            "empty",
        );
    }
}
