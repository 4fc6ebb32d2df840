//! Truncated and altered checkpoint folders: errors that name the file, never a panic, never a huge allocation.

use std::fs;
use std::path::Path;

use crate::common::{Random, copy};
use tensor_file::Error as FileError;
use text_encoder::{ClipText, ClipTextOptions, Error, MiniLm, TextEncoder};

fn load(folder: &str, dir: &Path) -> Result<Box<dyn TextEncoder>, Error> {
    let device = test_device::device();
    Ok(match folder {
        "bert" => Box::new(MiniLm::from_dir(dir, &device)?),
        _ => Box::new(ClipText::from_dir(
            dir,
            &ClipTextOptions::default(),
            &device,
        )?),
    })
}

/// Files of each folder that are needed, and how many bytes of white space they may end with.
const FILES: [(&str, &str, usize); 9] = [
    ("clip-legacy", "model.safetensors", 0),
    ("clip-legacy", "tokenizer.json", 0),
    ("clip-legacy", "config.json", 1),
    ("clip-sd2", "vocab.json", 0),
    ("clip-sd2", "tokenizer_config.json", 1),
    ("bert", "model.safetensors", 0),
    ("bert", "tokenizer.json", 0),
    ("bert", "config.json", 1),
    ("bert", "1_Pooling/config.json", 1),
];

#[test]
fn a_truncated_file_is_named() {
    for (folder, file, slack) in FILES {
        let dir = copy(folder);
        let path = dir.path().join(file);
        let whole = fs::read(&path).unwrap();
        let last = whole.len() - 1 - slack;
        for length in (0..20)
            .map(|i| i * whole.len() / 20)
            .chain([1, 7, 8, 9, last])
        {
            fs::write(&path, &whole[..length]).unwrap();
            match load(folder, dir.path()) {
                Ok(_) => panic!("{folder}/{file} of {length} bytes was accepted"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(file), "{file} of {length} bytes: {text}");
                }
            }
        }
    }
}

#[test]
fn truncated_merges_never_panic() {
    // A shorter list of merges is a valid one; only a line cut in half is not.
    let dir = copy("clip-sd2");
    let path = dir.path().join("merges.txt");
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for length in (0..60).map(|i| i * whole.len() / 60) {
        fs::write(&path, &whole[..length]).unwrap();
        match load("clip-sd2", dir.path()) {
            Ok(encoder) => assert!(encoder.encode_pooled(&["charcoal sketch"]).is_ok()),
            Err(error) => {
                assert!(error.to_string().contains("merges.txt"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    fs::remove_file(&path).unwrap();
    assert!(
        matches!(load("clip-sd2", dir.path()), Err(Error::File(FileError::Io { path: p, .. })) if p == path)
    );
}

#[test]
fn altered_bytes_never_panic() {
    let mut random = Random(7);
    let (mut refused, mut loaded) = (0, 0);
    for (folder, file, _) in FILES.into_iter().chain([("clip-sd2", "merges.txt", 0)]) {
        let dir = copy(folder);
        let path = dir.path().join(file);
        let whole = fs::read(&path).unwrap();
        for round in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..=round % 4 {
                // Half of the changes in the header, where the structure is.
                let within = if round % 2 == 0 {
                    bytes.len().min(2000)
                } else {
                    bytes.len()
                };
                let at = random.below(within);
                bytes[at] = random.below(256) as u8;
            }
            fs::write(&path, &bytes).unwrap();
            match load(folder, dir.path()) {
                Ok(encoder) => {
                    // Whatever it computes; the point is that it returns.
                    let prompts = ["charcoal sketch, 12.5% wow!", "x"];
                    let _ = encoder.condition(&prompts, &test_device::device());
                    loaded += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(
        refused > 100 && loaded > 20,
        "{refused} refused, {loaded} loaded"
    );
}

fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn sizes_are_checked_before_anything_is_allocated() {
    let dir = copy("clip-legacy");
    let path = dir.path().join("model.safetensors");
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.resize(100, b' ');
    let tensor = |shape: &str, end: u64| {
        format!(
            r#"{{"text_model.embeddings.token_embedding.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#
        )
    };
    for bytes in [
        long,
        99_000_000u64.to_le_bytes().to_vec(),
        safetensors(&tensor("[1099511627776,1099511627776]", 16), 16),
        safetensors(&tensor("[1099511627776]", 4398046511104), 16),
        safetensors(&tensor("[4]", 16), 15),
        safetensors(&tensor("[4]", 16), 17),
        safetensors(&tensor("[-4]", 16), 16),
        safetensors("{}", 1),
    ] {
        fs::write(&path, bytes).unwrap();
        match load("clip-legacy", dir.path()) {
            Err(Error::File(FileError::Safetensors { path: p, .. })) => assert_eq!(p, path),
            other => panic!("{:?}", other.map(|e| e.name().to_owned())),
        }
    }
    // Valid files that are of another kind.
    for bytes in [safetensors("{}", 0), safetensors(&tensor("[4]", 16), 16)] {
        fs::write(&path, bytes).unwrap();
        let error = load("clip-legacy", dir.path()).err().unwrap();
        assert!(matches!(error, Error::Tensor { .. }), "{error}");
    }
}

#[test]
fn a_nan_weight_is_named() {
    let dir = copy("bert");
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[header + 8..header + 12].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    match load("bert", dir.path()) {
        Err(Error::File(FileError::NonFinite { index, value, .. })) => {
            assert!(index == 2 && value.is_nan());
        }
        other => panic!("{:?}", other.map(|e| e.name().to_owned())),
    }
}

#[test]
fn a_tokenizer_file_that_is_far_too_large_is_not_read() {
    let dir = copy("bert");
    let path = dir.path().join("tokenizer.json");
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 40).unwrap(); // sparse
    assert!(matches!(
        load("bert", dir.path()),
        Err(Error::File(FileError::TooLarge { bytes, .. })) if bytes == 1 << 40
    ));
}

#[test]
fn a_tokenizer_without_start_and_end_is_refused() {
    let dir = copy("bert");
    let path = dir.path().join("tokenizer.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["post_processor"] = serde_json::Value::Null;
    fs::write(&path, serde_json::to_vec(&value).unwrap()).unwrap();
    match load("bert", dir.path()) {
        Err(Error::Tokenizer { message, .. }) => assert!(message.contains("adds 0"), "{message}"),
        other => panic!("{:?}", other.map(|e| e.name().to_owned())),
    }
}

#[test]
fn ids_that_only_the_post_processor_knows_are_checked() {
    let dir = copy("clip-legacy");
    let path = dir.path().join("tokenizer.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    value["post_processor"]["cls"][1] = 70_000.into();
    fs::write(&path, serde_json::to_vec(&value).unwrap()).unwrap();
    let encoder = load("clip-legacy", dir.path()).unwrap();
    match encoder.encode_pooled(&["charcoal sketch"]) {
        Err(Error::Tokenize { index: 0, message }) => {
            assert!(message.contains("70000"), "{message}")
        }
        other => panic!("{other:?}"),
    }
}
