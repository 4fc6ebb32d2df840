//! CLIP's tokenizer from `vocab.json` and `merges.txt`.

use std::path::Path;

use serde_json::{Map, Value, json};
use tensor_file::decode_text;

use super::declared::Declared;
use super::{Assembled, id_of};
use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::{read_json, read_optional, read_small};

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";

/// Special tokens of `tokenizer_config.json` and their defaults.
const SPECIALS: [(&str, &str); 4] = [
    ("bos_token", START),
    ("eos_token", END),
    ("unk_token", END),
    ("pad_token", END),
];

/// CLIP's splitting, from OpenAI's `simple_tokenizer.py`.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// A `tokenizer.json` as `transformers`' `CLIPTokenizer` would write it.
pub(super) fn assemble(dir: &Path, digest: &mut CheckpointDigest) -> Result<Assembled, Error> {
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
    let merges: Vec<&str> = decode_text(&merges, &merges_path)?
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.trim().is_empty())
        .collect();
    let added = Declared::read(dir, digest)?.added_tokens(&vocabulary, &SPECIALS);
    let start = id_of(&vocabulary, START, &vocabulary_path)?;
    let end = id_of(&vocabulary, END, &vocabulary_path)?;
    let tokenizer = json!({
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
    Ok(Assembled {
        tokenizer,
        files: format!(
            "{} with {}",
            vocabulary_path.display(),
            merges_path.display()
        ),
    })
}
