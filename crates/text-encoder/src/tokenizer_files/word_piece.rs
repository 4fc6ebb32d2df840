//! BERT's tokenizer from `vocab.txt`.

use std::path::Path;

use serde_json::{Map, Value, json};
use tensor_file::decode_text;

use super::declared::Declared;
use super::{Assembled, id_of};
use crate::Error;
use crate::digest::CheckpointDigest;
use crate::files::read_optional;

/// Special tokens of `tokenizer_config.json` and their defaults.
const SPECIALS: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

/// A `tokenizer.json` as `transformers`' `BertTokenizer` would write it; `do_lower_case`, `tokenize_chinese_chars` and
/// `strip_accents` are those of `tokenizer_config.json`.
pub(super) fn assemble(dir: &Path, digest: &mut CheckpointDigest) -> Result<Assembled, Error> {
    let path = dir.join("vocab.txt");
    let Some(bytes) = read_optional(&path)? else {
        return Err(Error::NoTokenizer {
            dir: dir.to_owned(),
            expected: "tokenizer.json, or vocab.txt",
        });
    };
    digest.bytes("vocab.txt", &bytes);
    // One token per line, whose number is the id; if a token occurs twice, the last one counts.
    let vocabulary: Map<String, Value> = decode_text(&bytes, &path)?
        .lines()
        .enumerate()
        .map(|(id, token)| (token.to_owned(), json!(id)))
        .collect();
    let declared = Declared::read(dir, digest)?;
    let added = declared.added_tokens(&vocabulary, &SPECIALS);
    let unknown = declared.special("unk_token", "[UNK]");
    let start = declared.special("cls_token", "[CLS]");
    let end = declared.special("sep_token", "[SEP]");
    id_of(&vocabulary, unknown, &path)?;
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": declared.flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": declared.flag("strip_accents"),
            "lowercase": declared.flag("do_lower_case").unwrap_or(true)},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing",
            "sep": [end, id_of(&vocabulary, end, &path)?], "cls": [start, id_of(&vocabulary, start, &path)?]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    });
    Ok(Assembled {
        tokenizer,
        files: path.display().to_string(),
    })
}
