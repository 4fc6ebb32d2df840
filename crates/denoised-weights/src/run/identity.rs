//! What a run is of, kept beside its results, so that a run of something else does not continue it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::error::Result;

/// Characters of a value that an error shows.
const SHOWN: usize = 40;

/// A field in which two runs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name, with those of the fields that it lies in, such as `recipe.epochs`; empty if the record has no fields.
    pub field: String,
    /// The earlier run's value as JSON, cut if it is long; `nothing` if there is none.
    pub was: String,
    /// This run's.
    pub now: String,
}

/// Records at `path` what this run is of, before it leaves anything. If an earlier run has `begun`, it must have been
/// of the same.
///
/// # Errors
/// Returns [`Error::OtherRun`], which names the fields that differ and their values, if the earlier run was of something
/// else, and [`Error::NoRunRecord`] or [`Error::BadRunFile`] if its record is missing or damaged.
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
        differences,
    })
}

/// The message of [`Error::OtherRun`]: which fields differ, and a line for the values of each.
pub(crate) fn other_run(path: &Path, differences: &[Difference]) -> String {
    let folder = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).display();
    let record = path.file_name().unwrap_or_default().display();
    let named = differences.iter().filter(|found| !found.field.is_empty());
    let fields: Vec<&str> = named.map(|found| found.field.as_str()).collect();
    let fields = match fields.is_empty() {
        true => String::new(),
        false => format!(" in: {}", fields.join(", ")),
    };
    format!(
        "{folder}: this folder holds another run ({record} differs{fields}); choose another folder, or remove this one to start again{}",
        listed(differences)
    )
}

/// A line for each difference, each after a line break.
pub(crate) fn listed(differences: &[Difference]) -> String {
    let line = |Difference { field, was, now }: &Difference| {
        let colon = if field.is_empty() { "" } else { ": " };
        format!("\n  {field}{colon}was {was}, now {now}")
    };
    differences.iter().map(line).collect()
}

/// The fields in which two records differ.
pub(crate) fn differences(was: &Value, now: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", [Some(was), Some(now)], &mut found);
    found
}

/// Adds the differences of two values of `field`, those of objects by their fields.
fn compare(field: &str, values: [Option<&Value>; 2], found: &mut Vec<Difference>) {
    let [was, now] = values;
    if was == now {
        return;
    }
    if let (Some(Value::Object(was)), Some(Value::Object(now))) = (was, now) {
        let removed = was.keys().filter(|key| !now.contains_key(*key));
        for key in now.keys().chain(removed) {
            let inner = match field {
                "" => key.clone(),
                _ => format!("{field}.{key}"),
            };
            compare(&inner, [was.get(key), now.get(key)], found);
        }
        return;
    }
    let [was, now] = shown(values);
    found.push(Difference {
        field: field.to_owned(),
        was,
        now,
    });
}

/// Two different values as texts, of which long ones are cut to a part that differs.
fn shown(values: [Option<&Value>; 2]) -> [String; 2] {
    let texts = values.map(|value| value.map_or("nothing".to_owned(), ToString::to_string));
    let [was, now] = texts.each_ref().map(|text| text.chars());
    let common = was.zip(now).take_while(|(was, now)| was == now).count();
    let first = match common < SHOWN {
        true => 0,
        false => common - SHOWN / 2,
    };
    texts.map(|text| cut(&text, first))
}

/// [`SHOWN`] characters of `text` from the character `first` on, with marks where some are left out.
fn cut(text: &str, first: usize) -> String {
    let mark = |cut: bool| if cut { "…" } else { "" };
    let mut rest = text.chars().skip(first);
    let part: String = rest.by_ref().take(SHOWN).collect();
    format!("{}{part}{}", mark(first > 0), mark(rest.next().is_some()))
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
            (run("sketch", 32), "n_train: was 64, now 32"),
            (run("fresco", 64), "pairs: was \"sketch\", now \"fresco\""),
            (json!({"pairs": "sketch", "n_train": 64}), "lr: was 0.10"),
            (json!([1]), "now [1]"),
        ] {
            let error = claim(&path, true, &other).unwrap_err().to_string();
            assert!(error.contains(difference), "{error}");
            assert!(error.contains("run.json differs"), "{error}");
        }
        std::fs::write(&path, "{").unwrap();
        assert!(claim(&path, true, &run("sketch", 64)).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(claim(&path, true, &run("sketch", 64)).is_err());
    }

    #[test]
    fn a_line_for_each_field_follows_the_list_of_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.json");
        let run = |epochs: usize, seed: usize| {
            let recipe = json!({"epochs": epochs, "lr": 0.5});
            json!({"recipe": recipe, "seed": seed, "widths": [1, 2]})
        };
        claim(&path, false, &run(2, 0)).unwrap();
        let error = claim(&path, true, &run(4, 1)).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        let folder = dir.path().display().to_string();
        assert!(lines[0].starts_with(&format!("{folder}: ")), "{error}");
        assert!(lines[0].contains("(run.json differs in: recipe.epochs, seed)"));
        assert_eq!(
            lines[1..],
            ["  recipe.epochs: was 2, now 4", "  seed: was 0, now 1"]
        );
    }

    #[test]
    fn long_values_are_cut_to_where_they_differ() {
        let long = |end: &str| json!(format!("{}{end}", "é".repeat(200)));
        let [was, now] = shown([Some(&long("a")), Some(&long("b"))]);
        assert!(was.starts_with("…é") && was.ends_with("éa\""), "{was}");
        assert!(now.ends_with("éb\""), "{now}");
        let [was, now] = shown([Some(&long("")), None]);
        assert_eq!(was.chars().count(), SHOWN + 1);
        assert_eq!(now, "nothing");
    }
}
