//! Files that must be refused by name, and those that must load.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use tempfile::TempDir;
use tensor_file::Error as FileError;
use text_encoder::{Error, StaticEncoder, TOKENIZER_FILE, TextEncoder, WEIGHTS_FILE};

const TOKENIZER: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,"model":{"type":"WordPiece",
"unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
"vocab":{"[UNK]":0,"red":1,"blue":2}}}"###;

/// A three-token encoder of width 2.
#[derive(Clone)]
struct Parts {
    rows: (Dtype, Vec<usize>, Vec<u8>),
    scale: Vec<f32>,
    weight: Option<Vec<f32>>,
    metadata: HashMap<String, String>,
}

fn parts() -> Parts {
    let metadata = [
        ("format", "static-text-encoder"),
        ("format_version", "1"),
        ("name", "tiny-2"),
    ];
    Parts {
        rows: (Dtype::I8, vec![3, 2], vec![0, 0, 100, 0, 0, (-50i8) as u8]),
        scale: vec![0.0, 0.01, 0.02],
        weight: Some(vec![0.0, 1.0, 0.5]),
        metadata: metadata
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
    }
}

fn write(dir: &Path, parts: &Parts, tokenizer: &str) {
    let bytes = |v: &[f32]| -> Vec<u8> { v.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let (scale, weight) = (bytes(&parts.scale), parts.weight.as_deref().map(bytes));
    let (dtype, shape, rows) = &parts.rows;
    let mut tensors = vec![
        (
            "rows",
            TensorView::new(*dtype, shape.clone(), rows).unwrap(),
        ),
        (
            "scale",
            TensorView::new(Dtype::F32, vec![parts.scale.len()], &scale).unwrap(),
        ),
    ];
    if let Some(weight) = &weight {
        tensors.push((
            "weight",
            TensorView::new(Dtype::F32, vec![weight.len() / 4], weight).unwrap(),
        ));
    }
    fs::write(
        dir.join(WEIGHTS_FILE),
        safetensors::serialize(tensors, Some(parts.metadata.clone())).unwrap(),
    )
    .unwrap();
    fs::write(dir.join(TOKENIZER_FILE), tokenizer).unwrap();
}

fn load(parts: &Parts, tokenizer: &str) -> Result<StaticEncoder, Error> {
    let dir = TempDir::new().unwrap();
    write(dir.path(), parts, tokenizer);
    StaticEncoder::from_dir(dir.path())
}

#[test]
fn a_small_encoder_loads_and_pools_by_hand_computed_values() {
    let encoder = load(&parts(), TOKENIZER).unwrap();
    assert_eq!(
        (encoder.name(), encoder.width(), encoder.digest().len()),
        ("tiny-2", 2, 64)
    );
    // red = (1, 0) × 1, blue = (0, -1) × 0.5: the sum (1, -0.5) has norm √1.25.
    let pooled = encoder.encode_pooled(&["red unknown blue"]).unwrap();
    let norm = 1.25f32.sqrt();
    assert!(
        (pooled[0][0] - 1.0 / norm).abs() < 1e-6 && (pooled[0][1] + 0.5 / norm).abs() < 1e-6,
        "{pooled:?}"
    );
    assert!(matches!(
        encoder.encode_pooled(&["green"]),
        Err(Error::EmptyPrompt { index: 0, .. })
    ));
}

#[test]
fn the_digest_covers_weights_and_tokenizer() {
    // One file on disk: safetensors writes metadata in hash order, so that two files of the same content may differ.
    let dir = TempDir::new().unwrap();
    write(dir.path(), &parts(), TOKENIZER);
    let digest = || {
        StaticEncoder::from_dir(dir.path())
            .unwrap()
            .digest()
            .to_owned()
    };
    let base = digest();
    assert_eq!(base, digest());

    fs::write(
        dir.path().join(TOKENIZER_FILE),
        TOKENIZER.replace("blue", "teal"),
    )
    .unwrap();
    assert_ne!(base, digest());
    fs::write(dir.path().join(TOKENIZER_FILE), TOKENIZER).unwrap();
    assert_eq!(base, digest());

    let path = dir.path().join(WEIGHTS_FILE);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.iter().rposition(|&b| b == (-50i8) as u8).unwrap();
    bytes[at] = (-49i8) as u8;
    fs::write(&path, bytes).unwrap();
    assert_ne!(base, digest());
}

#[test]
fn a_missing_file_is_named() {
    let dir = TempDir::new().unwrap();
    let error = StaticEncoder::from_dir(dir.path()).unwrap_err();
    assert!(
        matches!(error, Error::File(FileError::Io { .. }))
            && error.to_string().contains(WEIGHTS_FILE),
        "{error}"
    );
    write(dir.path(), &parts(), TOKENIZER);
    fs::remove_file(dir.path().join(TOKENIZER_FILE)).unwrap();
    let error = StaticEncoder::from_dir(dir.path()).unwrap_err();
    assert!(
        matches!(error, Error::File(FileError::Io { .. }))
            && error.to_string().contains(TOKENIZER_FILE),
        "{error}"
    );
}

#[test]
fn weights_cut_at_any_byte_are_refused() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), &parts(), TOKENIZER);
    let path = dir.path().join(WEIGHTS_FILE);
    let whole = fs::read(&path).unwrap();
    for n in 0..whole.len() {
        fs::write(&path, &whole[..n]).unwrap();
        let error = StaticEncoder::from_dir(dir.path()).unwrap_err();
        assert!(
            matches!(error, Error::File(FileError::Safetensors { .. }))
                && error.to_string().contains(WEIGHTS_FILE),
            "{n}: {error}"
        );
    }
}

#[test]
fn a_flipped_header_byte_never_panics() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), &parts(), TOKENIZER);
    let path = dir.path().join(WEIGHTS_FILE);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            fs::write(&path, &bytes).unwrap();
            let _ = StaticEncoder::from_dir(dir.path());
        }
    }
}

#[test]
fn wrong_types_and_shapes_are_named() {
    let expect = |parts: Parts, name: &str| match load(&parts, TOKENIZER) {
        Err(Error::Tensor { tensor, .. }) => assert_eq!(tensor, name),
        other => panic!("{name}: {other:?}"),
    };
    expect(
        Parts {
            rows: (Dtype::U8, vec![3, 2], vec![0; 6]),
            ..parts()
        },
        "rows",
    );
    expect(
        Parts {
            rows: (Dtype::I8, vec![6], vec![0; 6]),
            ..parts()
        },
        "rows",
    );
    expect(
        Parts {
            rows: (Dtype::I8, vec![3, 0], vec![]),
            ..parts()
        },
        "rows",
    );
    expect(
        Parts {
            scale: vec![1.0; 2],
            ..parts()
        },
        "scale",
    );
    expect(
        Parts {
            weight: Some(vec![1.0; 4]),
            ..parts()
        },
        "weight",
    );
    expect(
        Parts {
            weight: None,
            ..parts()
        },
        "weight",
    );
}

#[test]
fn impossible_values_are_named() {
    let expect = |parts: Parts, name: &str, at: usize| match load(&parts, TOKENIZER) {
        Err(Error::Value { tensor, row, .. }) => assert_eq!((tensor, row), (name, at)),
        other => panic!("{name}: {other:?}"),
    };
    expect(
        Parts {
            scale: vec![0.0, f32::NAN, 1.0],
            ..parts()
        },
        "scale",
        1,
    );
    expect(
        Parts {
            weight: Some(vec![0.0, 1.0, -1.0]),
            ..parts()
        },
        "weight",
        2,
    );
    expect(
        Parts {
            weight: Some(vec![1.0, 1.0, 1.0]),
            ..parts()
        },
        "rows",
        0,
    );
}

#[test]
fn another_format_or_version_is_refused() {
    for (key, value) in [
        ("format", "model2vec"),
        ("format_version", "2"),
        ("name", ""),
    ] {
        let mut parts = parts();
        parts.metadata.insert(key.into(), value.into());
        assert!(
            matches!(load(&parts, TOKENIZER), Err(Error::Metadata { key: k, .. }) if k == key),
            "{key}"
        );
    }
}

#[test]
fn a_tokenizer_that_does_not_fit_is_refused() {
    assert!(matches!(load(&parts(), "{"), Err(Error::Tokenizer { .. })));
    // The tokenizers crate panics on this one.
    let infinite = TOKENIZER.replace(r#""decoder":null"#, r#""decoder":-Infinity"#);
    assert!(matches!(
        load(&parts(), &infinite),
        Err(Error::Tokenizer { .. })
    ));
    let larger = TOKENIZER.replace(r#""blue":2"#, r#""blue":2,"green":3"#);
    assert!(matches!(
        load(&parts(), &larger),
        Err(Error::VocabularyMismatch {
            rows: 3,
            vocabulary: 4,
            ..
        })
    ));
    let gap = TOKENIZER.replace(r#""blue":2"#, r#""blue":7"#);
    assert!(matches!(
        load(&parts(), &gap),
        Err(Error::VocabularyMismatch {
            rows: 3,
            vocabulary: 8,
            ..
        })
    ));
    let smaller = TOKENIZER.replace(r#","blue":2"#, "");
    assert!(matches!(
        load(&parts(), &smaller),
        Err(Error::VocabularyMismatch {
            rows: 3,
            vocabulary: 2,
            ..
        })
    ));
}
