//! The modules of a sentence-transformers folder, as `modules.json` lists them.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::wrong;
use super::dense::Dense;
use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::{read_json, read_optional};

const FILE: &str = "modules.json";
const ROOT_CONFIG: &str = "config_sentence_transformers.json";
/// What a module reads and writes unless its configuration says otherwise.
pub(super) const POOLED: &str = "sentence_embedding";

/// An entry of `modules.json`.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// What is done to the mean of the tokens.
#[derive(Debug)]
pub(super) enum Step {
    /// Division by the Euclidean norm.
    Normalize,
    /// A linear layer.
    Dense(Dense),
}

/// The modules after the transformer.
#[derive(Debug)]
pub(super) struct Modules {
    /// The folder of the pooling's configuration.
    pub(super) pooling: String,
    pub(super) steps: Vec<Step>,
}

impl Modules {
    /// Reads `modules.json`; without it there is the mean alone. Layers go into `digest`; a folder without any has the digest
    /// of its other files.
    pub(super) fn load(
        dir: &Path,
        width: usize,
        digest: &mut CheckpointDigest,
    ) -> Result<Self, Error> {
        check_root_config(dir)?;
        let path = dir.join(FILE);
        let mut modules = Self {
            pooling: "1_Pooling".into(),
            steps: Vec::new(),
        };
        let Some(bytes) = read_optional(&path)? else {
            return Ok(modules);
        };
        let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|source| Error::Json {
            file: path.display().to_string(),
            source,
        })?;
        let refuse = |entry: Option<&Entry>, expected: &str| {
            let found = entry.map_or("missing", |entry| &entry.kind).to_owned();
            wrong(&path, "type", found, expected.into())
        };
        let [first, second, rest @ ..] = entries.as_slice() else {
            return Err(refuse(entries.get(1), "a Transformer, then a Pooling"));
        };
        if kind(first) != Some("Transformer") {
            return Err(refuse(Some(first), "a Transformer as the first module"));
        }
        if !first.path.is_empty() {
            let expected = "empty: config.json and the weights in the folder itself".into();
            return Err(wrong(&path, "path", first.path.clone(), expected));
        }
        if kind(second) != Some("Pooling") {
            return Err(refuse(Some(second), "a Pooling as the second module"));
        }
        modules.pooling.clone_from(&second.path);
        let is_layer = |entry: &Entry| kind(entry) == Some("Dense");
        if rest.iter().any(is_layer) {
            digest.bytes(FILE, &bytes);
        }
        let mut width = width;
        for entry in rest {
            let step = match kind(entry) {
                Some("Dense") => Step::Dense(Dense::load(dir, &entry.path, width, digest)?),
                Some("Normalize") => normalize(dir, entry)?,
                // Nothing is dropped outside of training.
                Some("Dropout") => continue,
                _ => {
                    let expected = "Dense, Normalize or Dropout after the Pooling";
                    return Err(refuse(Some(entry), expected));
                }
            };
            if let Step::Dense(dense) = &step {
                width = dense.outs();
            }
            modules.steps.push(step);
        }
        Ok(modules)
    }

    /// The width of the layer that comes last, if there is one.
    pub(super) fn outs(&self) -> Option<usize> {
        let outs = |step: &Step| match step {
            Step::Dense(dense) => Some(dense.outs()),
            Step::Normalize => None,
        };
        self.steps.iter().rev().find_map(outs)
    }
}

/// The class of a module of sentence-transformers; `None` for code of the folder's own.
fn kind(entry: &Entry) -> Option<&str> {
    let name = entry.kind.strip_prefix("sentence_transformers.")?;
    name.rsplit('.').next()
}

fn normalize(dir: &Path, entry: &Entry) -> Result<Step, Error> {
    let path = dir.join(&entry.path).join("config.json");
    if let Some(bytes) = read_optional(&path)?.filter(|_| !entry.path.is_empty()) {
        check_places(&read_json(&bytes, &path)?, &path)?;
    }
    Ok(Step::Normalize)
}

/// What a module reads and writes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Places {
    module_input_name: Option<String>,
    module_output_name: Option<String>,
}

/// Refuses a module that works on anything but the pooled vector.
pub(super) fn check_places(places: &Places, path: &Path) -> Result<(), Error> {
    for (field, place) in [
        ("module_input_name", &places.module_input_name),
        ("module_output_name", &places.module_output_name),
    ] {
        if let Some(place) = place
            && place != POOLED
        {
            return Err(wrong(path, field, place.clone(), POOLED.into()));
        }
    }
    Ok(())
}

/// The folder's `config_sentence_transformers.json`: a prompt that would precede every text is refused.
fn check_root_config(dir: &Path) -> Result<(), Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Root {
        model_type: Option<String>,
        default_prompt_name: Option<String>,
        prompts: Value,
    }
    let path = dir.join(ROOT_CONFIG);
    let Some(bytes) = read_optional(&path)? else {
        return Ok(());
    };
    let root: Root = read_json(&bytes, &path)?;
    if let Some(found) = root.model_type.filter(|kind| kind != "SentenceTransformer") {
        let expected = "SentenceTransformer".into();
        return Err(wrong(&path, "model_type", found, expected));
    }
    if let Some(name) = root.default_prompt_name {
        let prompt = root.prompts.get(&name).and_then(Value::as_str);
        if prompt != Some("") {
            let expected = "null: no text is put before a prompt".into();
            return Err(wrong(&path, "default_prompt_name", name, expected));
        }
    }
    Ok(())
}
