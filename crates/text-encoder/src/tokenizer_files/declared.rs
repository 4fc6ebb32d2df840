//! The declarations of `tokenizer_config.json` and `special_tokens_map.json`.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::{read_json, read_optional};

/// The fields of both files; the second file overrides the first.
pub(super) struct Declared(Map<String, Value>);

impl Declared {
    /// Reads the files that exist, and adds them to `digest`.
    pub(super) fn read(dir: &Path, digest: &mut CheckpointDigest) -> Result<Self, Error> {
        let mut fields: Map<String, Value> = Map::new();
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let path = dir.join(name);
            if let Some(bytes) = read_optional(&path)? {
                digest.bytes(name, &bytes);
                fields.extend(read_json::<Map<String, Value>>(&bytes, &path)?);
            }
        }
        Ok(Self(fields))
    }

    /// A field that is true, false, or missing (or null).
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// The text of a special token such as `bos_token`.
    pub(super) fn special<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        let token = self.0.get(key);
        let content = token.and_then(|t| t.as_str().or_else(|| t.get("content")?.as_str()));
        content.unwrap_or(default)
    }

    /// The special tokens as entries of a `tokenizer.json`: those of `added_tokens_decoder`, then `specials` (key and
    /// default) if `vocabulary` has them. They are matched before the text is split: in Stable Diffusion 2's folder "!" is
    /// one, so it does not end a word.
    pub(super) fn added_tokens(
        &self,
        vocabulary: &Map<String, Value>,
        specials: &[(&str, &str)],
    ) -> Vec<Value> {
        let mut added: Vec<Value> = Vec::new();
        let decoder = self.0.get("added_tokens_decoder");
        for (id, token) in decoder.and_then(Value::as_object).into_iter().flatten() {
            let (id, content) = (id.parse::<u32>().ok(), token.get("content"));
            if let (Some(id), Some(content)) = (id, content.and_then(Value::as_str)) {
                let special = flag(Some(token), "special");
                added.push(entry(&json!(id), content, Some(token), special));
            }
        }
        for (key, default) in specials {
            let content = self.special(key, default);
            let known = added.iter().any(|a| a["content"] == content);
            if let Some(id) = vocabulary.get(content).filter(|_| !known) {
                added.push(entry(id, content, self.0.get(*key), true));
            }
        }
        added
    }
}

/// An entry of `added_tokens`; fields that `token` lacks are false, as in `transformers`.
fn entry(id: &Value, content: &str, token: Option<&Value>, special: bool) -> Value {
    json!({
        "id": id, "content": content, "special": special,
        "single_word": flag(token, "single_word"), "lstrip": flag(token, "lstrip"),
        "rstrip": flag(token, "rstrip"), "normalized": flag(token, "normalized"),
    })
}

fn flag(token: Option<&Value>, name: &str) -> bool {
    let flag = token.and_then(|t| t.get(name)).and_then(Value::as_bool);
    flag.unwrap_or(false)
}
