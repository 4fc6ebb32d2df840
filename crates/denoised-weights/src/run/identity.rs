//! What a run is of, kept beside its results, so that a run of something else does not continue it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::error::Result;

/// Characters of a field that an error shows.
const SHOWN: usize = 80;

/// Records at `path` what this run is of, before it leaves anything. If an earlier run has `begun`, it must have been
/// of the same.
///
/// # Errors
/// Returns [`Error::OtherRun`], which names the fields that differ, if the earlier run was of something else, and
/// [`Error::NoRunRecord`] or [`Error::BadRunFile`] if its record is missing or damaged.
pub fn claim(path: &Path, begun: bool, run: &impl Serialize) -> Result<()> {
    let json = |source| Error::Json {
        path: path.to_owned(),
        source,
    };
    let now = serde_json::to_value(run).map_err(json)?;
    if !begun {
        return super::write_json(path, &now);
    }
    let bytes = std::fs::read(path).map_err(|source| Error::NoRunRecord {
        path: path.to_owned(),
        source,
    })?;
    let found: Value = serde_json::from_slice(&bytes).map_err(|source| Error::BadRunFile {
        path: path.to_owned(),
        source,
    })?;
    let differences = differences(&found, &now);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::OtherRun {
        path: path.to_owned(),
        differences: differences.join("; "),
    })
}

fn differences(found: &Value, now: &Value) -> Vec<String> {
    let (Value::Object(there), Value::Object(here)) = (found, now) else {
        return if found == now {
            Vec::new()
        } else {
            vec![format!("there {}, here {}", shown(found), shown(now))]
        };
    };
    let added = there.keys().filter(|key| !here.contains_key(*key));
    (here.keys().chain(added))
        .filter(|key| there.get(*key) != here.get(*key))
        .map(|key| {
            let value = |fields: &serde_json::Map<String, Value>| {
                fields.get(key).map_or("nothing".to_owned(), shown)
            };
            format!("{key}: there {}, here {}", value(there), value(here))
        })
        .collect()
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_of_something_else_is_refused_by_field() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.json");
        let run =
            |pairs: &str, n_train: usize| json!({"pairs": pairs, "n_train": n_train, "lr": 0.1f32});
        claim(&path, false, &run("sketch", 32)).unwrap();
        // Nothing was trained yet.
        claim(&path, false, &run("sketch", 64)).unwrap();
        claim(&path, true, &run("sketch", 64)).unwrap();
        for (other, difference) in [
            (run("sketch", 32), "n_train: there 64, here 32"),
            (
                run("fresco", 64),
                "pairs: there \"sketch\", here \"fresco\"",
            ),
            (json!({"pairs": "sketch", "n_train": 64}), "lr: there 0.10"),
            (json!([1]), "here [1]"),
        ] {
            let error = claim(&path, true, &other).unwrap_err().to_string();
            assert!(error.contains(difference), "{error}");
            assert!(error.contains("run.json"), "{error}");
        }
        std::fs::write(&path, "{").unwrap();
        assert!(claim(&path, true, &run("sketch", 64)).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(claim(&path, true, &run("sketch", 64)).is_err());
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let text = shown(&json!("é".repeat(200)));
        assert_eq!(text.chars().count(), SHOWN + 1);
    }
}
