//! What a run is of, kept beside what it leaves, so that one of something else does not go on from it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Result;

/// Characters of a field that an error shows.
const SHOWN: usize = 80;

/// Writes what this run is of to `path`, before it leaves anything; where an earlier one has `begun`,
/// it must have been of the same.
///
/// # Errors
/// Names the fields that differ; or the file, where it is missing or damaged after a run has begun.
pub fn claim(path: &Path, begun: bool, run: &impl Serialize) -> Result<()> {
    let now = serde_json::to_value(run)?;
    if !begun {
        return crate::files::write_json(path, &now);
    }
    let bytes = std::fs::read(path).map_err(|error| {
        format!(
            "{}: cannot be read ({error}), and nothing else says what the run there is of; remove the folder to begin anew",
            path.display()
        )
    })?;
    let found: Value = serde_json::from_slice(&bytes).map_err(|error| {
        format!(
            "{}: {error}; remove the folder to begin anew",
            path.display()
        )
    })?;
    let differences = differences(&found, &now);
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}: the run there is of something else ({}); repeat that one, give another --out, or remove the folder",
        path.display(),
        differences.join("; ")
    )
    .into())
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
#[allow(clippy::unwrap_used)]
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
