//! The zoo: what is written comes back; everything else is refused by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{files, groups, layout, weights};
use tensor_file::Error as FileError;
use weight_blocks::{Checkpoint, ConceptRecord, Error, GroupingRule, Layout, NamedTensors, Zoo};

const BASE: &str = "c0ffee";

fn record(concept: &str, epochs: &[usize]) -> ConceptRecord {
    ConceptRecord {
        concept: concept.to_owned(),
        prompt: format!("{concept} picture"),
        seed: u64::MAX,
        recipe: serde_json::json!({ "epochs": 12, "lr": 0.002 }),
        checkpoints: epochs
            .iter()
            .map(|&epoch| Checkpoint {
                epoch,
                metrics: BTreeMap::from([("l1".to_owned(), 0.25 / epoch as f64)]),
            })
            .collect(),
    }
}

fn create(dir: &Path) -> Zoo {
    Zoo::create(dir, &layout(), BASE).unwrap()
}

/// A concept with one checkpoint.
fn add(zoo: &mut Zoo, concept: &str, seed: u64) {
    zoo.append(&record(concept, &[12]), &[weights(seed)])
        .unwrap();
}

fn names(zoo: &Zoo) -> Vec<(&str, usize)> {
    let entries = zoo.entries().iter();
    entries
        .map(|e| (e.concept.as_str(), e.checkpoint))
        .collect()
}

#[test]
fn appended_weights_are_loaded_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(dir.path());
    assert!(zoo.entries().is_empty());
    zoo.append(
        &record("ink", &[4, 8, 12]),
        &[weights(1), weights(2), weights(3)],
    )
    .unwrap();
    add(&mut zoo, "fog", 4);

    for zoo in [&zoo, &Zoo::open(dir.path()).unwrap(), &create(dir.path())] {
        assert_eq!(zoo.base_digest(), BASE);
        assert_eq!(zoo.layout(), &layout());
        assert_eq!(names(zoo), [("fog", 0), ("ink", 0), ("ink", 1), ("ink", 2)]);
        for (entry, seed) in zoo.entries().iter().zip([4, 1, 2, 3]) {
            assert_eq!(zoo.load(entry).unwrap(), weights(seed));
        }
        let ink = &zoo.entries()[2];
        assert_eq!((ink.prompt.as_str(), ink.epoch), ("ink picture", 8));
        assert_eq!(ink.metrics, BTreeMap::from([("l1".to_owned(), 0.031_25)]));
        let last: Vec<_> = zoo
            .last_entries()
            .iter()
            .map(|e| (e.concept.as_str(), e.epoch))
            .collect();
        assert_eq!(last, [("fog", 12), ("ink", 12)]);
        assert!(zoo.contains("fog") && !zoo.contains("fo"));
    }
}

#[test]
fn the_files_are_where_the_readme_says() {
    let dir = tempfile::tempdir().unwrap();
    add(&mut create(dir.path()), "ink", 1);
    let files: Vec<String> = files(dir.path())
        .keys()
        .map(|p| p.display().to_string())
        .collect();
    assert_eq!(
        files,
        ["concepts/ink.json", "concepts/ink.safetensors", "zoo.json"]
    );
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(dir.path().join(name)).unwrap()).unwrap()
    };
    let manifest = read("zoo.json");
    assert_eq!(manifest["version"], 1);
    assert_eq!(manifest["base_digest"], BASE);
    assert_eq!(manifest["layout"]["block_size"], 32);
    let record = read("concepts/ink.json");
    assert_eq!(record["prompt"], "ink picture");
    assert_eq!(record["seed"], u64::MAX);
    assert_eq!(record["recipe"]["epochs"], 12);
    let shard = dir.path().join("concepts/ink.safetensors");
    assert_eq!(
        record["sha256"],
        tensor_file::digest::file_sha256(&shard).unwrap()
    );
    let (tensors, _) = tensor_file::load_safetensors(&shard).unwrap();
    assert_eq!(tensors["0/fc.lora_A.weight"].shape, [2, 3]);
}

#[test]
fn two_handles_see_each_others_concepts_after_a_refresh() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = create(dir.path());
    let mut b = create(dir.path());
    add(&mut a, "ink", 1);
    add(&mut b, "fog", 2);
    assert_eq!(names(&a), [("ink", 0)]);
    assert_eq!(names(&b), [("fog", 0)]);
    a.refresh().unwrap();
    b.refresh().unwrap();
    assert_eq!(names(&a), [("fog", 0), ("ink", 0)]);
    assert_eq!(a.entries(), b.entries());
    assert_eq!(b.load(&b.entries()[1]).unwrap(), weights(1));
    // Without a refresh too, nothing is overwritten.
    add(&mut a, "oil", 3);
    match b.append(&record("oil", &[1]), &[weights(9)]) {
        Err(Error::ConceptExists { name }) => assert_eq!(name, "oil"),
        other => panic!("{other:?}"),
    }
    match a.append(&record("oil", &[1]), &[weights(9)]) {
        Err(Error::ConceptExists { name }) => assert_eq!(name, "oil"),
        other => panic!("{other:?}"),
    }
    assert_eq!(a.load(&a.entries()[2]).unwrap(), weights(3));
}

#[test]
fn readers_work_while_others_write() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4u64)
            .map(|w| {
                let dir = dir.path();
                scope.spawn(move || {
                    let mut zoo = create(dir);
                    for i in 0..8 {
                        add(&mut zoo, &format!("c{w}-{i}"), w * 8 + i);
                    }
                })
            })
            .collect();
        loop {
            let done = writers.iter().all(|w| w.is_finished());
            let zoo = Zoo::open(dir.path()).unwrap();
            for entry in zoo.entries() {
                zoo.load(entry).unwrap();
            }
            if done {
                assert_eq!(zoo.entries().len(), 32);
                break;
            }
        }
    });
}

#[test]
fn the_first_of_several_that_create_a_zoo_decides_its_layout() {
    let layouts = [32, 64].map(|size| {
        let name = format!("blocks of {size}");
        Layout::new(&name, groups(), GroupingRule::Appended, size).unwrap()
    });
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let together = std::sync::Barrier::new(8);
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|i| {
                    let (dir, layout, together) = (dir.path(), &layouts[i % 2], &together);
                    scope.spawn(move || {
                        together.wait();
                        Zoo::create(dir, layout, BASE)
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let stored = Zoo::open(dir.path()).unwrap().layout().clone();
        for (i, made) in made.into_iter().enumerate() {
            match made {
                Ok(zoo) => assert_eq!(zoo.layout(), &layouts[i % 2]),
                Err(Error::LayoutMismatch { .. }) => assert_ne!(stored, layouts[i % 2]),
                Err(error) => panic!("{error}"),
            }
        }
        // And the winners are all of those that asked for it.
        for layout in &layouts {
            assert_eq!(
                Zoo::create(dir.path(), layout, BASE).is_ok(),
                *layout == stored
            );
        }
        let files: Vec<_> = files(dir.path()).into_keys().collect();
        assert_eq!(files, [Path::new("zoo.json")]);
    }
}

#[test]
fn names_that_could_leave_the_folder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("zoo");
    let mut zoo = create(&root);
    let before = files(dir.path());
    let (long, wide) = ("a".repeat(121), "é".repeat(61));
    for name in [
        "../x",
        "..",
        ".",
        ".x",
        "",
        "Ink",
        "ink wash",
        "ink/wash",
        "ink\\wash",
        "-ink",
        "_ink",
        // Decomposed: the mark is a character of its own.
        "tinte\u{301}",
        "TINTÉ",
        "é/",
        "a\0b",
        long.as_str(),
        wide.as_str(),
    ] {
        match zoo.append(&record(name, &[1]), &[weights(1)]) {
            Err(Error::ConceptName { name: found }) => assert_eq!(found, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!(files(dir.path()), before);
    for name in ["a", "0.5-ink_x", &"a".repeat(120), "tinté", "水彩"] {
        add(&mut zoo, name, 1);
    }
    assert_eq!(Zoo::open(&root).unwrap().entries().len(), 5);
}

#[test]
fn another_base_or_layout_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path());
    match Zoo::create(dir.path(), &layout(), "decaf") {
        Err(Error::BaseMismatch {
            path,
            expected,
            found,
        }) => {
            assert_eq!(
                (path.as_path(), expected.as_str(), found.as_str()),
                (dir.path(), "decaf", BASE)
            );
        }
        other => panic!("{other:?}"),
    }
    let other = Layout::new("larger", groups(), GroupingRule::Appended, 64).unwrap();
    match Zoo::create(dir.path(), &other, BASE) {
        Err(Error::LayoutMismatch {
            expected, found, ..
        }) => {
            assert_eq!(expected, format!("larger ({})", &other.digest()[..12]));
            assert_eq!(found, format!("small ({})", &layout().digest()[..12]));
        }
        other => panic!("{other:?}"),
    }
    // Another name alone is the same layout.
    let renamed = Layout::new("renamed", groups(), GroupingRule::Appended, 32).unwrap();
    Zoo::create(dir.path(), &renamed, BASE).unwrap();
}

#[test]
fn weights_that_do_not_fit_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(dir.path());
    let before = files(dir.path());
    let mut missing = weights(1);
    missing.remove("fc.lora_B.weight");
    match zoo.append(&record("ink", &[1]), &[missing]) {
        Err(Error::MissingTensor { name }) => assert_eq!(name, "fc.lora_B.weight"),
        other => panic!("{other:?}"),
    }
    for (epochs, count) in [(vec![1, 2], 1), (vec![1], 2), (vec![], 0)] {
        let sets: Vec<NamedTensors> = (0..count).map(|_| weights(1)).collect();
        let error = zoo.append(&record("ink", &epochs), &sets).unwrap_err();
        assert!(matches!(error, Error::Layout(_)), "{error}");
        assert!(error.to_string().contains("`ink`"), "{error}");
    }
    // Neither NaN weights nor NaN metrics could be read back: one such record would lock everybody
    // out of an append-only zoo.
    let mut diverged = weights(1);
    diverged.get_mut("fc.lora_A.weight").unwrap().data[4] = f32::NAN;
    match zoo.append(&record("ink", &[1, 2]), &[weights(1), diverged]) {
        Err(Error::File(FileError::NonFinite { name, index, .. })) => {
            assert_eq!((name.as_str(), index), ("fc.lora_A.weight", 4));
        }
        other => panic!("{other:?}"),
    }
    let mut unmeasured = record("ink", &[1]);
    unmeasured.checkpoints[0]
        .metrics
        .insert("kid".into(), f64::NAN);
    match zoo.append(&unmeasured, &[weights(1)]) {
        Err(Error::Metric { concept, name, .. }) => {
            assert_eq!((concept.as_str(), name.as_str()), ("ink", "kid"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(dir.path()), before);
    assert!(zoo.entries().is_empty());
}

#[test]
fn a_damaged_shard_is_refused_with_both_files_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(dir.path());
    add(&mut zoo, "ink", 1);
    let shard = dir.path().join("concepts/ink.safetensors");
    let whole = fs::read(&shard).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for bytes in [flipped, whole[..whole.len() - 1].to_vec(), Vec::new()] {
        fs::write(&shard, bytes).unwrap();
        let zoo = Zoo::open(dir.path()).unwrap();
        match zoo.load(&zoo.entries()[0]) {
            Err(error @ Error::Digest { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains("ink.safetensors") && text.contains("ink.json"),
                    "{text}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    fs::remove_file(&shard).unwrap();
    match zoo.load(&zoo.entries()[0]) {
        Err(Error::File(FileError::Io { path, .. })) => assert_eq!(path, shard),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_record_cut_anywhere_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(dir.path());
    add(&mut zoo, "ink", 1);
    for (name, what) in [
        ("concepts/ink.json", "concept record"),
        ("zoo.json", "zoo manifest"),
    ] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        // Without its last byte, a newline, it is whole.
        for len in 0..whole.len() - 1 {
            fs::write(&path, &whole[..len]).unwrap();
            match Zoo::open(dir.path()) {
                Err(Error::Json {
                    path: p, what: w, ..
                }) => assert_eq!((&p, w), (&path, what)),
                other => panic!("{name}, {len} bytes: {other:?}"),
            }
        }
        // A handle keeps what it had.
        let refreshed = zoo.refresh();
        assert_eq!(refreshed.is_err(), name != "zoo.json");
        assert_eq!(names(&zoo), [("ink", 0)]);
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn another_format_version_is_named_as_such() {
    let dir = tempfile::tempdir().unwrap();
    add(&mut create(dir.path()), "ink", 1);
    for name in ["concepts/ink.json", "zoo.json"] {
        let path = dir.path().join(name);
        let whole = fs::read_to_string(&path).unwrap();
        // A later version may have any fields.
        fs::write(&path, r#"{ "version": 7, "other": true }"#).unwrap();
        match Zoo::open(dir.path()) {
            Err(Error::Version {
                path: p,
                found,
                expected,
            }) => {
                assert_eq!((&p, found, expected), (&path, 7, 1));
            }
            other => panic!("{other:?}"),
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_folder_without_a_zoo_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        match Zoo::open(&path) {
            Err(Error::NoZoo { path: p }) => assert_eq!(p, path),
            other => panic!("{other:?}"),
        }
        assert!(!path.join("zoo.json").exists());
    }
}

#[test]
fn leftovers_of_a_killed_process_are_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(dir.path());
    add(&mut zoo, "ink", 1);
    // Killed while writing, and killed between the shard and its record.
    for name in [
        ".tmp-a1b2c3",
        "concepts/.tmp-d4e5f6",
        "concepts/fog.safetensors",
    ] {
        fs::write(dir.path().join(name), b"half a fi").unwrap();
    }
    let mut zoo = Zoo::open(dir.path()).unwrap();
    assert_eq!(names(&zoo), [("ink", 0)]);
    assert!(!zoo.contains("fog"));
    add(&mut zoo, "fog", 2);
    let zoo = Zoo::open(dir.path()).unwrap();
    assert_eq!(zoo.load(&zoo.entries()[0]).unwrap(), weights(2));
    assert_eq!(zoo.load(&zoo.entries()[1]).unwrap(), weights(1));
}

#[test]
fn the_order_of_appending_does_not_matter() {
    // As file names, `a-b.json` stands before `a.json` and `a.b.json`.
    let concepts = ["a", "a-b", "a.b", "b"];
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]];
    let mut seen = Vec::new();
    for order in orders {
        let dir = tempfile::tempdir().unwrap();
        let mut zoo = create(dir.path());
        for i in order {
            let sets = [weights(i as u64), weights(10 + i as u64)];
            zoo.append(&record(concepts[i], &[6, 12]), &sets).unwrap();
        }
        let reopened = Zoo::open(dir.path()).unwrap();
        assert_eq!(zoo.entries(), reopened.entries());
        seen.push((files(dir.path()), reopened.entries().to_vec()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    let order: Vec<&str> = seen[0].1.iter().map(|e| e.concept.as_str()).collect();
    assert_eq!(order, ["a", "a", "a-b", "a-b", "a.b", "a.b", "b", "b"]);
}

#[test]
fn a_small_copy_holds_each_last_checkpoint_in_16_bits() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(&dir.path().join("full"));
    zoo.append(&record("ink", &[4, 8]), &[weights(1), weights(2)])
        .unwrap();
    add(&mut zoo, "fog", 3);
    let before = files(zoo.dir());
    let target = dir.path().join("small");
    let small = zoo.export_small(&target).unwrap();
    for small in [&small, &Zoo::open(&target).unwrap()] {
        assert_eq!(names(small), [("fog", 0), ("ink", 0)]);
        assert_eq!(small.entries()[1].epoch, 8);
        assert_eq!(small.entries()[1].metrics, zoo.entries()[2].metrics);
        for (entry, seed) in small.entries().iter().zip([3, 2]) {
            for (name, tensor) in small.load(entry).unwrap() {
                for (a, b) in tensor.data.iter().zip(&weights(seed)[&name].data) {
                    // The nearest of 11 bits: half a unit of the last place.
                    assert!((a - b).abs() <= b.abs() / 2048.0 + 3e-8, "{a} {b}");
                }
            }
        }
    }
    let shard = |folder: &str| {
        let path = dir.path().join(folder).join("concepts/fog.safetensors");
        fs::metadata(path).unwrap().len()
    };
    // 80 values of 2 bytes less.
    assert_eq!(shard("full") - shard("small"), 160);
    assert_eq!(files(zoo.dir()), before);

    // Again after another concept: what is there stays.
    let there = files(&target);
    add(&mut zoo, "oil", 4);
    assert_eq!(zoo.export_small(&target).unwrap().entries().len(), 3);
    let after = files(&target);
    assert!(there.iter().all(|(path, bytes)| after[path] == *bytes));
}

#[test]
fn a_small_copy_of_another_collection_is_refused_and_stays() {
    type Change = fn(&mut ConceptRecord);
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(&dir.path().join("full"));
    add(&mut zoo, "ink", 1);
    let target = dir.path().join("small");
    zoo.export_small(&target).unwrap();
    let before = files(&target);
    let same: Change = |_| {};
    let changes: [(&str, Change, u64); 5] = [
        ("prompt", |r| r.prompt.push('s'), 1),
        ("seed", |r| r.seed = 0, 1),
        ("recipe", |r| r.recipe["lr"] = 0.003.into(), 1),
        ("checkpoints", |r| r.checkpoints[0].epoch = 13, 1),
        ("weights", same, 2),
    ];
    for (part, change, seed) in changes {
        // Collected again with other settings; `fog` would be copied first.
        let mut other = create(&dir.path().join(part));
        add(&mut other, "fog", 3);
        let mut record = record("ink", &[12]);
        change(&mut record);
        other.append(&record, &[weights(seed)]).unwrap();
        let error = other.export_small(&target).unwrap_err();
        let text = error.to_string();
        match error {
            Error::ConceptConflict {
                name,
                path,
                other: source,
                differing,
                ..
            } => {
                assert_eq!((name.as_str(), differing.as_str()), ("ink", part));
                assert_eq!(path, target.join("concepts/ink.json"));
                assert_eq!(source, other.dir().join("concepts/ink.json"));
                assert!(text.contains("another folder"), "{text}");
            }
            other => panic!("{part}: {other:?}"),
        }
        assert_eq!(files(&target), before);
    }
    // The same again, read from the disk, is no conflict.
    let again = Zoo::open(zoo.dir()).unwrap();
    again.export_small(&target).unwrap();
    assert_eq!(files(&target), before);
}

#[test]
fn a_small_copy_of_a_view_holds_the_last_checkpoint_in_the_view() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let sets = [weights(1), weights(2), weights(3)];
    let mut zoo = create(&at("full"));
    zoo.append(&record("ink", &[4, 8, 12]), &sets).unwrap();
    let mut short = create(&at("short"));
    short.append(&record("ink", &[4, 8]), &sets[..2]).unwrap();
    let view = zoo.filtered(|entry| entry.epoch <= 8);
    let small = view.export_small(at("view")).unwrap();
    assert_eq!(small.entries()[0].epoch, 8);
    short.export_small(at("expected")).unwrap();
    assert_eq!(files(small.dir()), files(&at("expected")));
}

#[test]
fn a_concept_that_was_replaced_since_the_zoo_was_opened_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(&dir.path().join("full"));
    zoo.append(&record("ink", &[4, 8]), &[weights(1), weights(2)])
        .unwrap();
    fs::remove_dir_all(zoo.dir().join("concepts")).unwrap();
    add(&mut create(zoo.dir()), "ink", 3);
    let target = dir.path().join("small");
    match zoo.export_small(&target) {
        Err(Error::Digest { path, .. }) => {
            assert_eq!(path, zoo.dir().join("concepts/ink.safetensors"));
        }
        other => panic!("{other:?}"),
    }
    assert!(Zoo::open(&target).unwrap().entries().is_empty());
}

#[test]
fn paths_may_be_text() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().to_str().unwrap();
    let zoo = Zoo::create(format!("{text}/full"), &layout(), BASE).unwrap();
    zoo.export_small(format!("{text}/small")).unwrap();
    let paths = ["full", "small"].map(|name| dir.path().join(name));
    let zoos: Result<Vec<Zoo>, Error> = paths.iter().map(Zoo::open).collect();
    assert_eq!(zoos.unwrap().len(), 2);
}

#[test]
fn a_view_holds_the_filtered_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = create(dir.path());
    for (i, name) in ["ink", "fog", "oil"].into_iter().enumerate() {
        add(&mut zoo, name, i as u64);
    }
    let mut view = zoo.filtered(|entry| entry.concept != "ink");
    assert_eq!(names(&view), [("fog", 0), ("oil", 0)]);
    assert_eq!(view.load(&view.entries()[1]).unwrap(), weights(2));
    assert_ne!(view.digest(), zoo.digest());
    assert_eq!(zoo.digest(), Zoo::open(dir.path()).unwrap().digest());
    // What the view leaves out is still there.
    let again = view.append(&record("ink", &[12]), &[weights(9)]);
    assert!(matches!(again, Err(Error::ConceptExists { .. })));
    view.refresh().unwrap();
    assert_eq!(names(&view), names(&zoo));
}
