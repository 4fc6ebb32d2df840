//! CLIP's tokenizer from `tokenizer.json`, or from `vocab.json` and `merges.txt`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::Config;
use crate::Error;
use crate::checkpoint::{CheckpointDigest, read_json, read_optional, read_small};
use crate::tokens::PromptTokenizer;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// CLIP's splitting, from OpenAI's `simple_tokenizer.py`.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Reads the tokenizer of a folder; its files go into `digest`.
pub(super) fn load(
    dir: &Path,
    config: &Config,
    digest: &mut CheckpointDigest,
) -> Result<PromptTokenizer, Error> {
    let parse = |bytes: &[u8], file: &str| {
        PromptTokenizer::parse(bytes, file, config.positions, config.vocabulary)
    };
    let path = dir.join("tokenizer.json");
    if let Some(bytes) = read_optional(&path)? {
        digest.bytes("tokenizer.json", &bytes);
        return parse(&bytes, &path.display().to_string());
    }
    let vocabulary_path = dir.join("vocab.json");
    let merges_path = dir.join("merges.txt");
    let Some(vocabulary) = read_optional(&vocabulary_path)? else {
        return Err(Error::NoTokenizer {
            dir: dir.to_owned(),
            expected: "tokenizer.json, or vocab.json and merges.txt",
        });
    };
    let merges = read_small(&merges_path)?;
    digest.bytes("vocab.json", &vocabulary);
    digest.bytes("merges.txt", &merges);
    let vocabulary: Map<String, Value> = read_json(&vocabulary, &vocabulary_path)?;
    let merges = String::from_utf8(merges).map_err(|e| Error::Tokenizer {
        file: merges_path.display().to_string(),
        message: e.to_string(),
    })?;
    let added = added_tokens(dir, &vocabulary, digest)?;
    let bytes = whole(vocabulary, &merges, added, &vocabulary_path)?;
    let files = format!(
        "{} with {}",
        vocabulary_path.display(),
        merges_path.display()
    );
    parse(&bytes, &files)
}

/// The special tokens that a folder declares, as entries of a `tokenizer.json`. They are matched before the text is
/// split: "!" is one in Stable Diffusion 2's folder, and then no end of a word.
fn added_tokens(
    dir: &Path,
    vocabulary: &Map<String, Value>,
    digest: &mut CheckpointDigest,
) -> Result<Vec<Value>, Error> {
    let mut declared: Map<String, Value> = Map::new();
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let path = dir.join(name);
        if let Some(bytes) = read_optional(&path)? {
            digest.bytes(name, &bytes);
            declared.extend(read_json::<Map<String, Value>>(&bytes, &path)?);
        }
    }
    let mut added: Vec<Value> = Vec::new();
    let decoder = declared.get("added_tokens_decoder");
    for (id, token) in decoder.and_then(Value::as_object).into_iter().flatten() {
        let (id, content) = (id.parse::<u32>().ok(), token.get("content"));
        if let (Some(id), Some(content)) = (id, content.and_then(Value::as_str)) {
            let special = flag(Some(token), "special");
            added.push(entry(&json!(id), content, Some(token), special));
        }
    }
    for (key, default) in [
        ("bos_token", START),
        ("eos_token", END),
        ("unk_token", END),
        ("pad_token", END),
    ] {
        let token = declared.get(key);
        let content = token.and_then(|t| t.as_str().or_else(|| t.get("content")?.as_str()));
        let content = content.unwrap_or(default);
        let known = added.iter().any(|a| a["content"] == content);
        if let Some(id) = vocabulary.get(content).filter(|_| !known) {
            added.push(entry(id, content, token, true));
        }
    }
    Ok(added)
}

/// An entry of `added_tokens`; what `token` does not say is false, as in `transformers`.
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

/// A `tokenizer.json` as `transformers`' `CLIPTokenizer` would write it.
fn whole(
    vocabulary: Map<String, Value>,
    merges: &str,
    added: Vec<Value>,
    path: &Path,
) -> Result<Vec<u8>, Error> {
    let id = |token: &str| match vocabulary.get(token).and_then(Value::as_u64) {
        Some(id) => Ok(id),
        None => Err(Error::Tokenizer {
            file: path.display().to_string(),
            message: format!("it has no token {token:?}"),
        }),
    };
    let (start, end) = (id(START)?, id(END)?);
    let merges: Vec<&str> = merges
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.trim().is_empty())
        .collect();
    let value = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]},
        "post_processor": {"type": "RobertaProcessing", "sep": [END, end], "cls": [START, start],
            "trim_offsets": false, "add_prefix_space": false},
        "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": END, "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary, "merges": merges},
    });
    serde_json::to_vec(&value).map_err(|source| Error::Json {
        file: path.display().to_string(),
        source,
    })
}
