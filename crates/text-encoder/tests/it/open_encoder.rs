//! Which encoder a folder is opened as.

use std::fs;
use std::path::Path;

use crate::common::{copy, fixture};
use text_encoder::{ClipText, ClipTextOptions, Error, MiniLm, TextEncoder, open_encoder};

fn open(dir: &Path) -> Result<Box<dyn TextEncoder>, Error> {
    open_encoder(dir, &test_device::device())
}

#[test]
fn clip_bert_and_static_folders_are_told_apart() {
    let device = test_device::device();
    let bert = open(&fixture("bert")).unwrap();
    let direct = MiniLm::from_dir(fixture("bert"), &device).unwrap();
    assert_eq!(
        (bert.name(), bert.digest()),
        (direct.name(), direct.digest())
    );
    for name in ["clip-legacy", "clip-sd2"] {
        let clip = open(&fixture(name)).unwrap();
        let options = ClipTextOptions::default();
        let direct = ClipText::from_dir(fixture(name), &options, &device).unwrap();
        assert_eq!(
            (clip.name(), clip.digest()),
            (direct.name(), direct.digest())
        );
    }
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    assert_eq!(open(&assets).unwrap().name(), "static-minilm-128");
}

#[test]
fn a_tokenizer_folder_beside_the_encoder_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (model, tokenizer) = (
        dir.path().join("text_encoder"),
        dir.path().join("tokenizer"),
    );
    let source = copy("clip-sd2");
    fs::create_dir(&model).unwrap();
    fs::create_dir(&tokenizer).unwrap();
    for entry in fs::read_dir(source.path()).unwrap() {
        let name = entry.unwrap().file_name();
        let of_model = ["config.json", "model.safetensors"]
            .iter()
            .any(|n| name == *n);
        let target = if of_model { &model } else { &tokenizer };
        fs::copy(source.path().join(&name), target.join(&name)).unwrap();
    }
    let apart = open(&model).unwrap();
    assert_eq!(apart.digest(), open(&fixture("clip-sd2")).unwrap().digest());
}

#[test]
fn other_folders_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("config.json"), "{error}");
    for (json, found) in [
        (r#"{"model_type": "t5"}"#, "\"t5\""),
        (r#"{"hidden_size": 8}"#, "\"\""),
    ] {
        fs::write(dir.path().join("config.json"), json).unwrap();
        match open(dir.path()).err().unwrap() {
            Error::Config {
                field,
                found: named,
                ..
            } => assert_eq!((field, named.as_str()), ("model_type", found)),
            other => panic!("{other}"),
        }
    }
}
