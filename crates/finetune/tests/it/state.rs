//! Interrupted runs continue to the same bits.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::{base, changed, negatives, recipe, tiny};
use finetune::{ConceptTrainer, Error, Recipe};
use lora_gan::PatchGanConfig;
use weight_blocks::{NamedTensors, WeightSpace};

/// As a new process would: nothing in it is shared with another trainer.
fn resume(recipe: Recipe, dir: &Path) -> Result<ConceptTrainer, Error> {
    let base = base(&tiny());
    let start = base.read_weights().unwrap();
    ConceptTrainer::resume(&base, &start, recipe, &test_device::device(), dir)
}

fn train(trainer: &mut ConceptTrainer, epochs: usize) -> NamedTensors {
    let pairs = negatives(16, 6);
    for _ in 0..epochs {
        trainer.epoch(&pairs).unwrap();
    }
    trainer.adapter().unwrap()
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn three_and_three_epochs_are_six() {
    for gan_weight in [1.0, 0.0] {
        // The rates fall, so that a lost epoch number shows.
        let recipe = || Recipe {
            gan_weight,
            decay: 0.5,
            ..recipe()
        };
        let dir = tempfile::tempdir().unwrap();
        let mut whole = resume(recipe(), dir.path()).unwrap();
        let expected = train(&mut whole, 6);

        let mut first = resume(recipe(), dir.path()).unwrap();
        let half = train(&mut first, 3);
        first.save_state(dir.path()).unwrap();
        // What happens after the save is lost with the process.
        train(&mut first, 1);

        let mut second = resume(recipe(), dir.path()).unwrap();
        assert_eq!(second.epochs_done(), 3);
        assert_eq!(second.adapter().unwrap(), half);
        assert!(
            (second.train_seconds() - 0.75 * first.train_seconds()).abs() < first.train_seconds()
        );
        let found = train(&mut second, 3);
        assert_eq!(changed(&found, &expected), Vec::<String>::new());

        // The curve has no jump either; JSON may cost a loss of before its last bit.
        assert_eq!(second.history().len(), 6);
        for (a, b) in second.history().iter().zip(whole.history()) {
            assert_eq!(a.epoch, b.epoch);
            for (a, b) in [
                (a.l1, b.l1),
                (a.gan, b.gan),
                (a.discriminator, b.discriminator),
            ] {
                assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} against {b}");
            }
        }
    }
}

#[test]
fn saving_in_every_epoch_changes_nothing_and_keeps_one_state() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/run");
    let mut whole = resume(recipe(), &folder).unwrap();
    let expected = train(&mut whole, 4);
    let mut found = NamedTensors::new();
    for epoch in 1..=4 {
        let mut trainer = resume(recipe(), &folder).unwrap();
        assert_eq!(trainer.epochs_done(), epoch - 1);
        found = train(&mut trainer, 1);
        trainer.save_state(&folder).unwrap();
        // Again at the same epoch: it replaces the first.
        trainer.save_state(&folder).unwrap();
        assert_eq!(names(&folder), BTreeSet::from([format!("at-{epoch:06}")]));
    }
    assert_eq!(found, expected);
    let files = [
        "discriminator-adam.safetensors",
        "discriminator.safetensors",
        "generator-adam.safetensors",
        "generator.safetensors",
        "state.json",
    ];
    assert_eq!(
        names(&folder.join("at-000004")),
        files.map(str::to_owned).into()
    );
}

#[test]
fn what_was_saved_last_is_what_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = resume(recipe(), dir.path()).unwrap();
    let mut further = resume(recipe(), dir.path()).unwrap();
    let start = train(&mut further, 1);
    let new = ConceptTrainer::new(&base(&tiny()), &start, recipe(), &test_device::device());
    let new = new.unwrap();
    let found = || {
        let found = resume(recipe(), dir.path()).unwrap();
        (found.epochs_done(), found.adapter().unwrap())
    };
    // Another run's state is in the folder: of the same epoch, and of a later one.
    for old in [&fresh, &further] {
        old.save_state(dir.path()).unwrap();
        new.save_state(dir.path()).unwrap();
        assert_eq!(names(dir.path()), BTreeSet::from(["at-000000".to_owned()]));
        assert_eq!(found(), (0, start.clone()));
    }

    // Killed when the new state was in place and the old one was not yet removed.
    further.save_state(dir.path()).unwrap();
    assert_eq!(names(dir.path()), BTreeSet::from(["at-000001".to_owned()]));
    let other = tempfile::tempdir().unwrap();
    new.save_state(other.path()).unwrap();
    fs::rename(other.path().join("at-000000"), dir.path().join("at-000002")).unwrap();
    assert_eq!(found(), (0, start.clone()));
    new.save_state(dir.path()).unwrap();
    assert_eq!(names(dir.path()), BTreeSet::from(["at-000000".to_owned()]));
    assert_eq!(found(), (0, start));
}

#[test]
fn leftovers_of_a_killed_save_are_ignored_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = resume(recipe(), dir.path()).unwrap();
    train(&mut trainer, 1);
    trainer.save_state(dir.path()).unwrap();
    let leftover = dir.path().join(".tmp-Ab3dE6");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("generator.safetensors"), b"half a fi").unwrap();
    let mut trainer = resume(recipe(), dir.path()).unwrap();
    assert_eq!(trainer.epochs_done(), 1);
    train(&mut trainer, 1);
    trainer.save_state(dir.path()).unwrap();
    assert_eq!(names(dir.path()), BTreeSet::from(["at-000002".to_owned()]));

    // Killed after the new state was in place, before the old one was removed.
    fs::create_dir(dir.path().join("at-000001")).unwrap();
    assert_eq!(resume(recipe(), dir.path()).unwrap().epochs_done(), 2);
}

#[test]
fn a_state_that_cannot_be_written_costs_nothing_that_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let states = dir.path().join("states");
    let mut trainer = resume(recipe(), &states).unwrap();
    train(&mut trainer, 1);
    // A file where the folder should be stands for a disk that is full or read-only.
    fs::write(&states, "").unwrap();
    match trainer.save_state(&states) {
        Err(error @ Error::SaveState { .. }) => {
            let message = error.to_string();
            assert!(message.contains("run again to continue"), "{message}");
            assert!(!message.contains("remove the folder"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(&states).unwrap();
    trainer.save_state(&states).unwrap();
    assert_eq!(resume(recipe(), &states).unwrap().epochs_done(), 1);
}

#[test]
fn damaged_states_are_refused_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = resume(recipe(), dir.path()).unwrap();
    train(&mut trainer, 1);
    trainer.save_state(dir.path()).unwrap();
    let state = dir.path().join("at-000001");
    for name in names(&state) {
        let path = state.join(&name);
        let whole = fs::read(&path).unwrap();
        for len in [0, 1, 16, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..len]).unwrap();
            match resume(recipe(), dir.path()) {
                Err(error @ Error::State { .. }) => {
                    assert!(
                        error.to_string().contains(&name),
                        "{name}, {len} bytes: {error}"
                    );
                }
                other => panic!("{name}, {len} bytes: {:?}", other.map(drop)),
            }
        }
        fs::remove_file(&path).unwrap();
        match resume(recipe(), dir.path()) {
            Err(Error::State { path: p, .. }) => assert_eq!(p, path),
            other => panic!("{name}, missing: {:?}", other.map(drop)),
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(resume(recipe(), dir.path()).unwrap().epochs_done(), 1);
}

#[test]
fn a_state_of_another_recipe_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = resume(recipe(), dir.path()).unwrap();
    train(&mut trainer, 1);
    trainer.save_state(dir.path()).unwrap();
    for other in [
        Recipe {
            lr_generator: 1e-3,
            ..recipe()
        },
        Recipe {
            seed: 5,
            ..recipe()
        },
        Recipe {
            epochs: 7,
            ..recipe()
        },
        Recipe {
            discriminator: PatchGanConfig {
                width: 5,
                layers: 1,
                ..PatchGanConfig::compact()
            },
            ..recipe()
        },
    ] {
        match resume(other, dir.path()) {
            Err(error @ Error::OtherRecipe { .. }) => {
                assert!(
                    error
                        .to_string()
                        .contains("state.json: written with another recipe"),
                    "{error}"
                );
            }
            other => panic!("{:?}", other.map(drop)),
        }
    }
    let meta = dir.path().join("at-000001/state.json");
    let text = fs::read_to_string(&meta).unwrap();
    let older = text.replace("\"version\":2", "\"version\":1");
    // Another format may have any fields.
    for older in [older.as_str(), r#"{"version":1,"epochs":3}"#] {
        fs::write(&meta, older).unwrap();
        let error = resume(recipe(), dir.path()).map(drop).unwrap_err();
        assert!(error.to_string().contains("format version"), "{error}");
        match error {
            Error::StateVersion {
                path,
                found,
                expected,
            } => assert_eq!((path, found, expected), (meta.clone(), 1, 2)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_computed_rate_is_recognised() {
    // Rates whose 17 digits JSON does not bring back to the bit.
    for lr_generator in [
        0.003 * 34.0 / 1000.0,
        0.003 * 40.0 / 1000.0,
        0.002 * 59.0 / 1000.0,
    ] {
        let recipe = || Recipe {
            lr_generator,
            ..recipe()
        };
        let dir = tempfile::tempdir().unwrap();
        resume(recipe(), dir.path())
            .unwrap()
            .save_state(dir.path())
            .unwrap();
        resume(recipe(), dir.path()).unwrap();
    }
}

/// Each file of a state, cut off: an error, or the same state.
#[test]
fn a_state_that_is_cut_off_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = resume(recipe(), dir.path()).unwrap();
    let expected = train(&mut trainer, 1);
    trainer.save_state(dir.path()).unwrap();
    let folder = dir.path().join("at-000001");
    for file in names(&folder) {
        let path = folder.join(&file);
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 20).max(1);
        let ends = [1, 2, 3, 4, 8, 16].map(|n| whole.len() - n);
        for length in (0..whole.len()).step_by(step).chain(ends) {
            fs::write(&path, &whole[..length]).unwrap();
            match resume(recipe(), dir.path()) {
                Err(error) => assert!(error.to_string().contains(&file), "{error}"),
                Ok(found) => assert_eq!(found.adapter().unwrap(), expected, "{file} {length}"),
            }
        }
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(
        resume(recipe(), dir.path()).unwrap().adapter().unwrap(),
        expected
    );
}
