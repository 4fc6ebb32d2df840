//! The files of a training's state: saved whole, and resumed only on the data that they belong to.

use std::path::Path;

use crate::common::{WIDTH, dataset, device, files, layout, text, train, unet, weights};
use weight_blocks::{Normalization, Normalizer, module_to_named};
use weight_diffusion::encoded_text::EncodedPrompt;
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, Error, Parameterization, TrainConfig,
};

fn trainer(config: TrainConfig) -> BlockTrainer {
    let spec = dataset().spec();
    BlockTrainer::new(config, &unet(Parameterization::Skip), spec, 1, &device()).unwrap()
}

/// Name of the file with the state's tensors.
fn tensor_file(dir: &Path) -> String {
    let json = std::fs::read(dir.join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&json).unwrap();
    state["tensors"].as_str().unwrap().to_owned()
}

#[test]
fn an_interrupted_save_leaves_the_state_before() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = trainer(train());
    trainer.step(&data).unwrap();
    trainer.save_state(dir.path()).unwrap();
    // Killed while the tensors were being written, and after them but before `state.json`.
    std::fs::write(dir.path().join(".tmp-abc"), b"half").unwrap();
    let after = dir
        .path()
        .join("state-000000002-0123456789abcdef.safetensors");
    std::fs::write(after, b"half").unwrap();
    let resumed = BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    assert_eq!(resumed.steps_done(), 1);
    // The next save removes the left-overs that it knows.
    trainer.step(&data).unwrap();
    trainer.save_state(dir.path()).unwrap();
    assert_eq!(
        files(dir.path()),
        [".tmp-abc", &tensor_file(dir.path()), "state.json"]
    );
    let resumed = BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();
    assert_eq!(resumed.steps_done(), 2);
}

#[test]
fn saving_twice_at_one_step_never_replaces_the_tensors_in_use() {
    let data = dataset();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = trainer(train());
    let mut two = trainer(train());
    two.step(&data).unwrap();
    // Other weights of the same step.
    let two = BlockTrainer::from_model(train(), &two.model(), data.spec(), &device()).unwrap();
    one.save_state(first.path()).unwrap();
    two.save_state(second.path()).unwrap();
    let (old, new) = (tensor_file(first.path()), tensor_file(second.path()));
    assert!(old.starts_with("state-000000000-") && new.starts_with("state-000000000-"));
    // Killed after the tensors of `two` and before its `state.json`.
    std::fs::copy(second.path().join(&new), first.path().join(&new)).unwrap();
    let resume = || BlockTrainer::resume(first.path(), &data.spec(), &device()).unwrap();
    let weights = |trainer: &BlockTrainer| module_to_named(&trainer.model()).unwrap();
    assert_eq!(weights(&resume()), weights(&one));
    for trainer in [&two, &two, &one] {
        trainer.save_state(first.path()).unwrap();
        assert_eq!(weights(&resume()), weights(trainer));
        assert_eq!(
            files(first.path()),
            [&tensor_file(first.path()), "state.json"]
        );
    }
}

#[test]
fn files_with_other_names_stay() {
    let dir = tempfile::tempdir().unwrap();
    let others = [
        "state-000000001.safetensors",
        "state-000000001-0123456789ABCDEF.safetensors",
        "state-000000001-0123456789abcdef0.safetensors",
        "state-1-0123456789abcdef.safetensors",
        "state-best-0123456789abcdef.safetensors",
        "state-notes.safetensors",
    ];
    for name in others {
        std::fs::write(dir.path().join(name), "mine").unwrap();
    }
    let removed = dir
        .path()
        .join("state-1234567890-0123456789abcdef.safetensors");
    std::fs::write(&removed, "ours").unwrap();
    trainer(train()).save_state(dir.path()).unwrap();
    let found = files(dir.path());
    assert!(!removed.exists());
    assert_eq!(found.len(), others.len() + 2, "{found:?}");
    for name in others {
        assert!(found.contains(&name.to_owned()), "{name}");
    }
}

fn assert_says_what_to_do(error: &Error) {
    let message = error.to_string();
    assert!(message.contains("train again"), "{message}");
}

#[test]
fn damaged_states_are_refused_by_name() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let resume = || match BlockTrainer::resume(dir.path(), &data.spec(), &device()) {
        Ok(_) => panic!("a damaged state was accepted"),
        Err(error) => error,
    };
    assert!(resume().to_string().contains("state.json"));
    let mut trainer = trainer(train());
    trainer.step(&data).unwrap();
    trainer.save_state(dir.path()).unwrap();
    let name = tensor_file(dir.path());
    let tensors = dir.path().join(&name);
    let json = dir.path().join("state.json");
    let (good_tensors, good_json) = (
        std::fs::read(&tensors).unwrap(),
        std::fs::read(&json).unwrap(),
    );

    std::fs::write(&tensors, &good_tensors[..good_tensors.len() / 2]).unwrap();
    let error = resume();
    assert!(matches!(error, Error::NetworkTooLarge { .. }), "{error}");
    assert!(error.to_string().contains(&name));
    let mut flipped = good_tensors.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&tensors, &flipped).unwrap();
    let error = resume();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_says_what_to_do(&error);
    std::fs::remove_file(&tensors).unwrap();
    assert!(resume().to_string().contains(&name));
    std::fs::write(&tensors, &good_tensors).unwrap();

    std::fs::write(&json, &good_json[..good_json.len() / 2]).unwrap();
    let error = resume();
    assert!(matches!(error, Error::Json { .. }), "{error}");
    assert_says_what_to_do(&error);
    let text = String::from_utf8(good_json.clone()).unwrap();
    std::fs::write(&json, text.replace("\"version\":2", "\"version\":7")).unwrap();
    let error = resume();
    assert!(
        matches!(
            error,
            Error::Version {
                found: 7,
                expected: 2,
                ..
            }
        ),
        "{error}"
    );
    assert_says_what_to_do(&error);
    std::fs::write(&json, text.replace("state-000000001", "../state-000000001")).unwrap();
    assert!(matches!(
        resume(),
        Error::FileName { name: found, .. } if found == format!("../{name}")
    ));
    std::fs::write(&json, &good_json).unwrap();
    BlockTrainer::resume(dir.path(), &data.spec(), &device()).unwrap();

    // Tensors that agree with their digest, but not with the network.
    let old = tensor_file::digest::sha256_hex(&good_tensors);
    let with = |edit: fn(&mut weight_blocks::NamedTensors)| {
        let (mut edited, _) = tensor_file::load_safetensors(&tensors).unwrap();
        edit(&mut edited);
        tensor_file::save_safetensors(&tensors, &edited, &Default::default()).unwrap();
        let new = tensor_file::digest::file_sha256(&tensors).unwrap();
        std::fs::write(&json, text.replace(&old, &new)).unwrap();
        let error = resume();
        std::fs::write(&tensors, &good_tensors).unwrap();
        error
    };
    let error = with(|tensors| {
        let average = tensors.get_mut("average").unwrap();
        average.data.pop();
        average.shape = vec![average.data.len()];
    });
    assert!(
        matches!(&error, Error::TensorLength { name, expected, found, .. } if name == "average" && found + 1 == *expected),
        "{error}"
    );
    assert_says_what_to_do(&error);
    let error = with(|tensors| {
        let average = tensors.remove("average").unwrap();
        tensors.insert("mean".into(), average);
    });
    assert!(
        matches!(&error, Error::MissingTensor { name, .. } if name == "average"),
        "{error}"
    );
    assert_says_what_to_do(&error);
}

#[test]
fn another_data_set_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = trainer(train());
    trainer.save_state(dir.path()).unwrap();
    let layout = layout("renamed");
    let flat = weights(&layout, 1);
    let normalizer = Normalizer::fit(&layout, Normalization::None, [flat.as_slice()]).unwrap();
    let other =
        BlockDataset::new(layout, normalizer, vec![text(1, 2)], WIDTH, vec![(0, flat)]).unwrap();
    assert!(matches!(trainer.step(&other), Err(Error::Layout { .. })));
    let resumed = BlockTrainer::resume(dir.path(), &other.spec(), &device());
    assert!(matches!(resumed.err(), Some(Error::Layout { .. })));
}

/// A data set in the layout of [`dataset`].
fn similar(texts: Vec<EncodedPrompt>, entries: Vec<(usize, Vec<f32>)>) -> BlockDataset {
    let (layout, normalizer) = (layout("first"), dataset().normalizer().clone());
    BlockDataset::new(layout, normalizer, texts, WIDTH, entries).unwrap()
}

#[test]
fn a_similar_data_set_is_refused_for_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = trainer(train());
    trainer.save_state(dir.path()).unwrap();
    let layout = layout("first");
    let [one, two, three] = [1, 2, 3].map(|seed| weights(&layout, seed));
    let texts = || vec![text(1, 2), text(2, 3)];
    let fitted = Normalizer::fit(&layout, Normalization::PerLayer, [one.as_slice(), &three]);
    let entries = || vec![(0, one.clone()), (1, two.clone())];
    let renormalized =
        BlockDataset::new(layout.clone(), fitted.unwrap(), texts(), WIDTH, entries()).unwrap();
    let more_networks = [entries(), vec![(1, three)]].concat();
    let more_texts = [texts(), vec![text(3, 1)]].concat();
    for (other, differs) in [
        (
            similar(texts(), more_networks),
            "2 networks, not 3 networks",
        ),
        (similar(more_texts, entries()), "2 texts, not 3 texts"),
        (renormalized, "the normaliser "),
    ] {
        let resumed = BlockTrainer::resume(dir.path(), &other.spec(), &device());
        let error = resumed.map(drop).unwrap_err();
        assert!(matches!(error, Error::OtherData { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(differs), "{message}");
        assert!(message.contains("state.json"), "{message}");
        // A step needs only the layout and the text width.
        trainer.step(&other).unwrap();
    }
    let same = similar(texts(), entries());
    BlockTrainer::resume(dir.path(), &same.spec(), &device()).unwrap();
}

#[test]
fn a_state_of_a_network_larger_than_its_file_is_refused_before_anything_is_allocated() {
    let data = dataset();
    let dir = tempfile::tempdir().unwrap();
    let mut trainer = trainer(train());
    trainer.step(&data).unwrap();
    trainer.save_state(dir.path()).unwrap();
    let path = dir.path().join("state.json");
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["unet"]["base_channels"] = 16_384.into();
    std::fs::write(&path, state.to_string()).unwrap();
    let error = BlockTrainer::resume(dir.path(), &data.spec(), &device())
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, Error::NetworkTooLarge { .. }), "{error}");
}
