//! Fields of `tokenizer_config.json` that `transformers` puts before those of BERT's `tokenizer.json`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::Error;
use crate::files::{read_json, read_optional};

/// Fields of `tokenizer_config.json`, and of the normaliser.
const FIELDS: [(&str, &str); 3] = [
    ("do_lower_case", "lowercase"),
    ("strip_accents", "strip_accents"),
    ("tokenize_chinese_chars", "handle_chinese_chars"),
];

/// Refuses a folder whose two files contradict each other.
pub(super) fn check(dir: &Path, tokenizer: &Map<String, Value>) -> Result<(), Error> {
    let path = dir.join("tokenizer_config.json");
    let Some(bytes) = read_optional(&path)? else {
        return Ok(());
    };
    let declared: Map<String, Value> = read_json(&bytes, &path)?;
    let class = declared.get("tokenizer_class").and_then(Value::as_str);
    let normalizer = tokenizer.get("normalizer").unwrap_or(&Value::Null);
    // Other classes take `tokenizer.json` as it is.
    if class.is_some_and(|class| !class.starts_with("BertTokenizer"))
        || normalizer
            .get("type")
            .is_none_or(|kind| kind != "BertNormalizer")
    {
        return Ok(());
    }
    for (field, name) in FIELDS {
        let Some(found) = declared.get(field).filter(|value| !value.is_null()) else {
            continue;
        };
        let used = normalizer.get(name).unwrap_or(&Value::Null);
        if found != used {
            return Err(Error::Config {
                file: path.display().to_string(),
                field,
                found: found.to_string(),
                expected: format!("{used}, as {name} in tokenizer.json: make the two files agree"),
            });
        }
    }
    Ok(())
}
