//! Merging: what was collected apart is what one process would have collected; nothing is overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{files, groups, layout, weights};
use weight_blocks::{
    Checkpoint, ConceptRecord, Error, GroupingRule, Layout, Zoo, zoo::MergeReport,
};

const BASE: &str = "c0ffee";

fn record(concept: &str) -> ConceptRecord {
    ConceptRecord {
        concept: concept.to_owned(),
        prompt: format!("{concept} picture"),
        seed: u64::MAX,
        recipe: serde_json::json!({ "epochs": 2, "lr": 0.1 + 0.2 }),
        checkpoints: [1, 2]
            .map(|epoch| Checkpoint {
                epoch,
                metrics: BTreeMap::from([("l1".to_owned(), 0.1 / epoch as f64)]),
            })
            .into(),
    }
}

/// A zoo with these concepts; the seed of each is its weights'.
fn zoo(dir: &Path, concepts: &[(&str, u64)]) -> Zoo {
    let mut zoo = Zoo::create(dir, &layout(), BASE).unwrap();
    for &(concept, seed) in concepts {
        let sets = [weights(seed), weights(100 + seed)];
        zoo.append(&record(concept), &sets).unwrap();
    }
    zoo
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn parts_give_the_zoo_of_one_process_in_any_order_and_any_number_of_times() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let whole = zoo(&at("whole"), &[("a", 1), ("a-b", 2), ("a.b", 3), ("b", 4)]);
    let parts = [
        zoo(&at("one"), &[("a", 1), ("b", 4)]),
        zoo(&at("two"), &[("a.b", 3), ("a-b", 2), ("a", 1)]),
        zoo(&at("none"), &[]),
    ];
    let before: Vec<_> = parts.iter().map(|part| files(part.dir())).collect();
    for (name, order) in [("forth", [0, 1, 2]), ("back", [2, 1, 0])] {
        let mut merged = Zoo::create(at(name), &layout(), BASE).unwrap();
        for _ in 0..2 {
            for part in order {
                merged.merge_from(&parts[part], |_| {}).unwrap();
            }
            assert_eq!(merged.entries(), whole.entries());
            assert_eq!(files(merged.dir()), files(whole.dir()));
        }
        assert_eq!(Zoo::open(at(name)).unwrap().entries(), whole.entries());
    }
    let after: Vec<_> = parts.iter().map(|part| files(part.dir())).collect();
    assert_eq!(before, after);
}

#[test]
fn the_report_lists_added_and_present_concepts() {
    let dir = tempfile::tempdir().unwrap();
    let mut into = zoo(&dir.path().join("into"), &[("fog", 1)]);
    let part = zoo(
        &dir.path().join("part"),
        &[("ink", 2), ("fog", 1), ("oil", 3)],
    );
    let mut seen = Vec::new();
    let merged = into
        .merge_from(&part, |name| seen.push(name.to_owned()))
        .unwrap();
    assert_eq!(
        merged,
        MergeReport {
            added: names(&["ink", "oil"]),
            present: names(&["fog"]),
        }
    );
    assert_eq!(seen, names(&["fog", "ink", "oil"]));
    // A zoo merged into itself, under another handle.
    let again = Zoo::open(into.dir()).unwrap();
    let merged = into.merge_from(&again, |_| {}).unwrap();
    assert_eq!(merged.added, names(&[]));
    assert_eq!(merged.present, names(&["fog", "ink", "oil"]));
    assert!(into.is_recorded("ink").unwrap() && !into.is_recorded("in").unwrap());
}

#[test]
fn a_concept_that_differs_is_refused_with_both_records_named_and_nothing_copied() {
    type Change = fn(&mut ConceptRecord);
    let dir = tempfile::tempdir().unwrap();
    let mut into = zoo(&dir.path().join("into"), &[("fog", 1)]);
    let before = files(into.dir());
    let changes: [(&str, Change); 4] = [
        ("prompt", |r| r.prompt.push('s')),
        ("seed", |r| r.seed = 0),
        ("recipe", |r| r.recipe["lr"] = 0.3.into()),
        ("checkpoints", |r| {
            r.checkpoints[1].metrics.insert("l1".into(), 0.4);
        }),
    ];
    let same: Change = |_| {};
    let cases = changes.into_iter().map(|(part, f)| (part, f, 1));
    for (part, change, seed) in cases.chain([("weights", same, 7)]) {
        // `a` would be copied first.
        let mut other = zoo(&dir.path().join(part), &[("a", 3)]);
        let mut record = record("fog");
        change(&mut record);
        other
            .append(&record, &[weights(seed), weights(100 + seed)])
            .unwrap();
        let error = into.merge_from(&other, |_| panic!("copied")).unwrap_err();
        let text = error.to_string();
        match error {
            Error::ConceptConflict {
                name,
                path,
                other: theirs,
                differing,
                ..
            } => {
                assert_eq!((name.as_str(), differing.as_str()), ("fog", part));
                assert_eq!(path, into.dir().join("concepts/fog.json"));
                assert_eq!(theirs, other.dir().join("concepts/fog.json"));
                for path in [path, theirs] {
                    assert!(text.contains(&path.display().to_string()), "{text}");
                }
            }
            other => panic!("{part}: {other:?}"),
        }
        assert_eq!(files(into.dir()), before);
    }
}

#[test]
fn another_base_or_layout_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut into = zoo(&dir.path().join("into"), &[]);
    let path = dir.path().join("base");
    let other = Zoo::create(&path, &layout(), "decaf").unwrap();
    match into.merge_from(&other, |_| {}) {
        Err(Error::BaseMismatch {
            path: p,
            expected,
            found,
        }) => assert_eq!(
            (p, expected.as_str(), found.as_str()),
            (path, BASE, "decaf")
        ),
        other => panic!("{other:?}"),
    }
    let larger = Layout::new("larger", groups(), GroupingRule::Appended, 64).unwrap();
    let path = dir.path().join("layout");
    let other = Zoo::create(&path, &larger, BASE).unwrap();
    match into.merge_from(&other, |_| {}) {
        Err(Error::LayoutMismatch { path: p, .. }) => assert_eq!(p, path),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_shard_stops_the_merge_until_it_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let concepts = [("fog", 1), ("ink", 2), ("oil", 3)];
    let part = zoo(&dir.path().join("part"), &concepts);
    let mut into = Zoo::create(dir.path().join("into"), &layout(), BASE).unwrap();
    let shard = part.dir().join("concepts/ink.safetensors");
    let whole = fs::read(&shard).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&shard, flipped).unwrap();
    match into.merge_from(&part, |_| {}) {
        Err(Error::Digest { path, record }) => {
            assert_eq!(path, shard);
            assert_eq!(record, part.dir().join("concepts/ink.json"));
        }
        other => panic!("{other:?}"),
    }
    // What came before it is in, what is damaged is not.
    let there = |zoo: &Zoo| -> Vec<String> {
        let last = zoo.last_entries();
        last.iter().map(|entry| entry.concept.clone()).collect()
    };
    assert_eq!(there(&into), names(&["fog"]));
    assert_eq!(there(&Zoo::open(into.dir()).unwrap()), names(&["fog"]));
    fs::write(&shard, whole).unwrap();
    let merged = into.merge_from(&part, |_| {}).unwrap();
    assert_eq!(merged.present, names(&["fog"]));
    assert_eq!(files(into.dir()), files(part.dir()));
}

#[test]
fn a_shard_of_another_layout_is_refused_though_its_digest_fits() {
    let dir = tempfile::tempdir().unwrap();
    let part = zoo(&dir.path().join("part"), &[("fog", 1)]);
    let shard = part.dir().join("concepts/fog.safetensors");
    tensor_file::save_safetensors(&shard, &weights(1), &BTreeMap::new()).unwrap();
    let path = part.dir().join("concepts/fog.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["sha256"] = tensor_file::digest::file_sha256(&shard).unwrap().into();
    fs::write(&path, record.to_string()).unwrap();
    let mut into = Zoo::create(dir.path().join("into"), &layout(), BASE).unwrap();
    match into.merge_from(&Zoo::open(part.dir()).unwrap(), |_| {}) {
        Err(Error::MissingTensor { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(into.entries().is_empty());
    assert!(!into.dir().join("concepts").exists());
}

#[test]
fn leftovers_of_a_killed_merge_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let part = zoo(&dir.path().join("part"), &[("fog", 1), ("ink", 2)]);
    let mut into = Zoo::create(dir.path().join("into"), &layout(), BASE).unwrap();
    // Killed between the shard and its record, and in the middle of a shard.
    let concepts = into.dir().join("concepts");
    fs::create_dir(&concepts).unwrap();
    fs::copy(
        part.dir().join("concepts/fog.safetensors"),
        concepts.join("fog.safetensors"),
    )
    .unwrap();
    fs::write(concepts.join(".tmp-a1b2c3"), b"half a fi").unwrap();
    let merged = into.merge_from(&part, |_| {}).unwrap();
    assert_eq!(merged.added, names(&["fog", "ink"]));
    assert_eq!(files(into.dir()), files(part.dir()));
}

#[test]
fn concepts_outside_of_a_view_are_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let part = zoo(&dir.path().join("part"), &[("fog", 1), ("ink", 2)]);
    let mut into = Zoo::create(dir.path().join("into"), &layout(), BASE).unwrap();
    let view = part.filtered(|entry| entry.concept != "fog");
    into.merge_from(&view, |_| {}).unwrap();
    assert!(!into.contains("fog") && into.contains("ink"));
}

#[test]
fn a_record_under_another_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let part = zoo(&dir.path().join("part"), &[("fog", 1)]);
    let renamed = part.dir().join("concepts/mist.json");
    fs::copy(part.dir().join("concepts/fog.json"), &renamed).unwrap();
    match Zoo::open(part.dir()) {
        Err(Error::RecordName { path, name }) => {
            assert_eq!((path, name.as_str()), (renamed, "fog"))
        }
        other => panic!("{other:?}"),
    }
}
