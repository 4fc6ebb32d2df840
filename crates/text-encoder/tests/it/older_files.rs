//! `pytorch_model.bin` and `vocab.txt`: the files of folders from before safetensors and `tokenizer.json`.

use std::fs;
use std::path::Path;

use crate::common::{Random, copy, fixture, prompts};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tensor_file::Error as FileError;
use text_encoder::{ClipText, ClipTextOptions, Error, MiniLm, TextEncoder, open_encoder};

fn bert(dir: &Path) -> Result<MiniLm, Error> {
    MiniLm::from_dir(dir, &test_device::device())
}

fn clip(dir: &Path) -> Result<ClipText, Error> {
    ClipText::from_dir(dir, &ClipTextOptions::default(), &test_device::device())
}

/// A copy of a folder with PyTorch's file for its weights.
fn with_pytorch(folder: &str) -> TempDir {
    let dir = copy(folder);
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    let file = fixture("older").join(format!("{folder}.bin"));
    fs::copy(file, dir.path().join("pytorch_model.bin")).unwrap();
    dir
}

/// A copy of `bert` with `vocab.txt` for its tokenizer.
fn with_vocabulary(config: &Value) -> TempDir {
    let dir = copy("bert");
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let file = fixture("older").join("vocab.txt");
    fs::copy(file, dir.path().join("vocab.txt")).unwrap();
    let config = serde_json::to_vec(config).unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    dir
}

#[test]
fn pytorch_weights_are_those_of_safetensors() {
    let prompts = ["a portrait in charcoal", "red fog, blue hour"];
    // By torch.save as it is now, f32, with an integer buffer that nothing reads.
    let dir = with_pytorch("bert");
    let ours = bert(dir.path()).unwrap();
    let theirs = bert(&fixture("bert")).unwrap();
    assert_eq!(
        ours.encode(&prompts).unwrap(),
        theirs.encode(&prompts).unwrap()
    );
    assert_ne!(
        ours.digest(),
        theirs.digest(),
        "the digest is of the file read"
    );
    // As it was before PyTorch 1.6, f16.
    let dir = with_pytorch("clip-sd2");
    let ours = clip(dir.path()).unwrap();
    let theirs = clip(&fixture("clip-sd2")).unwrap();
    assert_eq!(
        ours.encode(&prompts).unwrap(),
        theirs.encode(&prompts).unwrap()
    );
}

#[test]
fn safetensors_come_first_and_without_either_both_are_named() {
    let dir = copy("bert");
    fs::write(dir.path().join("pytorch_model.bin"), b"not read").unwrap();
    assert!(bert(dir.path()).is_ok());
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    match bert(dir.path()) {
        Err(Error::File(FileError::Pytorch { path, .. })) => {
            assert_eq!(path, dir.path().join("pytorch_model.bin"));
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(dir.path().join("pytorch_model.bin")).unwrap();
    let error = bert(dir.path()).unwrap_err();
    assert!(matches!(error, Error::NoWeights { .. }));
    let text = error.to_string();
    assert!(
        text.contains("model.safetensors") && text.contains("pytorch_model.bin"),
        "{text}"
    );
}

#[test]
fn tensors_of_another_shape_or_type_are_named() {
    let dir = with_pytorch("bert");
    let path = dir.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["intermediate_size"] = 63.into();
    fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
    match bert(dir.path()) {
        Err(Error::Tensor {
            file,
            tensor,
            found,
            ..
        }) => {
            assert!(file.ends_with("pytorch_model.bin"));
            assert_eq!(tensor, "encoder.layer.0.intermediate.dense.weight");
            assert_eq!(found, "F32 [64, 32]");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn damaged_pytorch_weights_are_refused_or_load_but_never_panic() {
    let mut random = Random(11);
    let (mut refused, mut loaded) = (0, 0);
    for (folder, rounds) in [("bert", 500), ("clip-sd2", 500)] {
        let dir = with_pytorch(folder);
        let path = dir.path().join("pytorch_model.bin");
        let whole = fs::read(&path).unwrap();
        let mut attempt = |bytes: &[u8], must_fail: bool| {
            fs::write(&path, bytes).unwrap();
            match open_encoder(dir.path(), &test_device::device()) {
                Ok(_) if must_fail => panic!("{folder}: {} bytes were accepted", bytes.len()),
                Ok(_) => loaded += 1,
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("pytorch_model.bin"), "{text}");
                    refused += 1;
                }
            }
        };
        for i in 0..60 {
            attempt(&whole[..i * whole.len() / 60], true);
        }
        attempt(&whole[..whole.len() - 1], true);
        for round in 0..rounds {
            let mut bytes = whole.clone();
            for _ in 0..=round % 5 {
                // Most of them where the structure is: PyTorch has it at both ends.
                let at = match round % 3 {
                    0 => random.below(bytes.len()),
                    1 => random.below(8000),
                    _ => bytes.len() - 1 - random.below(8000),
                };
                bytes[at] = random.below(256) as u8;
            }
            attempt(&bytes, false);
        }
    }
    assert!(
        refused > 300 && loaded > 20,
        "{refused} refused, {loaded} loaded"
    );
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: Value,
    ids: Vec<Vec<u32>>,
}

#[test]
fn word_pieces_are_those_of_hugging_face() {
    let bytes = fs::read(fixture("older/word_piece.json")).unwrap();
    let Cases { cases } = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(cases.len(), 4);
    for Case { config, ids } in cases {
        let dir = with_vocabulary(&config);
        let encoder = bert(dir.path()).unwrap();
        let (mut same, mut refused) = (0, 0);
        for (prompt, theirs) in prompts().iter().zip(&ids) {
            match encoder.token_ids(&[prompt.as_str()]) {
                Ok(ours) => {
                    assert_eq!(ours[0].ids, *theirs, "{config}: {prompt:?}");
                    same += 1;
                }
                Err(Error::EmptyPrompt { .. }) => {
                    assert!(theirs.iter().all(|&id| id < 5), "{prompt:?} was refused");
                    refused += 1;
                }
                Err(other) => panic!("{prompt:?}: {other}"),
            }
        }
        assert!(same >= 150 && refused >= 5, "{same} {refused}");
        assert!(encoder.encode_pooled(&["a portrait in charcoal"]).is_ok());
    }
}

#[test]
fn byte_order_marks_and_line_ends_of_windows_are_no_part_of_a_folder() {
    let plain = with_vocabulary(&serde_json::json!({}));
    let prompts = ["a portrait in charcoal", "red fog, blue hour"];
    let expected = bert(plain.path()).unwrap().encode(&prompts).unwrap();
    let dir = with_vocabulary(&serde_json::json!({}));
    for name in ["config.json", "tokenizer_config.json", "vocab.txt"] {
        let path = dir.path().join(name);
        let text = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
    }
    assert_eq!(
        bert(dir.path()).unwrap().encode(&prompts).unwrap(),
        expected
    );

    let path = dir.path().join("vocab.txt");
    let text = fs::read_to_string(&path).unwrap();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&path, utf16).unwrap();
    let error = bert(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("UTF-16") && error.contains("vocab.txt"),
        "{error}"
    );
}

#[test]
fn damaged_vocabularies_are_refused_or_load_but_never_panic() {
    let dir = with_vocabulary(&serde_json::json!({}));
    let path = dir.path().join("vocab.txt");
    let whole = fs::read(&path).unwrap();
    let mut random = Random(5);
    let mut refused = 0;
    for round in 0..200 {
        let mut bytes = whole.clone();
        if round % 2 == 0 {
            bytes.truncate(round * whole.len() / 200);
        }
        for _ in 0..round % 4 {
            if !bytes.is_empty() {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
        }
        fs::write(&path, bytes).unwrap();
        match bert(dir.path()) {
            Ok(encoder) => {
                let _ = encoder.encode_pooled(&["a portrait, 12.5% wow!"]);
            }
            Err(error) => {
                assert!(error.to_string().contains("vocab.txt"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "{refused}");
    fs::remove_file(&path).unwrap();
    let error = bert(dir.path()).unwrap_err();
    assert!(error.to_string().contains("vocab.txt"), "{error}");
    assert!(matches!(error, Error::NoTokenizer { .. }));
}

#[test]
fn a_vocabulary_without_its_special_tokens_is_refused() {
    for token in ["[CLS]", "[SEP]", "[UNK]"] {
        let dir = with_vocabulary(&serde_json::json!({}));
        let path = dir.path().join("vocab.txt");
        let text = fs::read_to_string(&path).unwrap().replace(token, "gone");
        fs::write(&path, text).unwrap();
        match bert(dir.path()) {
            Err(Error::Tokenizer { message, .. }) => {
                assert!(message.contains(token), "{message}");
            }
            other => panic!("{token}: {other:?}"),
        }
    }
}
