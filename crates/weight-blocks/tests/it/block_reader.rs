//! Single blocks from shards: the same values as from the whole zoo, and errors that name the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{groups, weights};
use tensor_file::Error as FileError;
use weight_blocks::{
    BlockReader, Checkpoint, ConceptRecord, Entry, Error, GroupingRule, HostTensor, Layout, Zoo,
};

const RULES: [GroupingRule; 3] = [
    GroupingRule::Appended,
    GroupingRule::Concatenated,
    GroupingRule::Separate,
];

fn record(concept: &str, checkpoints: usize) -> ConceptRecord {
    let checkpoint = |epoch| Checkpoint {
        epoch,
        metrics: BTreeMap::new(),
    };
    ConceptRecord {
        concept: concept.to_owned(),
        prompt: concept.to_owned(),
        seed: 0,
        recipe: serde_json::Value::Null,
        checkpoints: (0..checkpoints).map(checkpoint).collect(),
    }
}

/// Five concepts of two checkpoints; of the last two the second one alone, in 16 bits.
fn zoo(dir: &Path, rule: GroupingRule, block_size: usize) -> Zoo {
    let layout = Layout::new("small", groups(), rule, block_size).unwrap();
    let full = tempfile::tempdir().unwrap();
    let mut all = Zoo::create(full.path(), &layout, "base").unwrap();
    let mut zoo = Zoo::create(dir, &layout, "base").unwrap();
    for i in 0..5u64 {
        let record = record(&format!("concept-{i}"), 2);
        let both = [weights(2 * i), weights(2 * i + 1)];
        all.append(&record, &both).unwrap();
        if i < 3 {
            zoo.append(&record, &both).unwrap();
        }
    }
    let last = |entry: &Entry| ["concept-3", "concept-4"].contains(&entry.concept.as_str());
    all.filtered(last).export_small(dir).unwrap()
}

#[test]
fn blocks_are_those_of_the_encoded_weights() {
    for rule in RULES {
        for size in [32, 5, 256] {
            let dir = tempfile::tempdir().unwrap();
            let zoo = zoo(dir.path(), rule, size);
            let layout = zoo.layout().clone();
            let mut reader = BlockReader::new(&zoo, 2);
            let mut block = vec![9.0; size];
            let mut seen = 0;
            zoo.for_each_encoded(|entry, flat| {
                assert_eq!(flat, layout.encode(&zoo.load(entry)?)?);
                for (n, expected) in flat.chunks(size).enumerate() {
                    reader.read(entry, n, &mut block)?;
                    assert_eq!(block, expected, "{rule:?} {size} {entry:?} {n}");
                    assert!(reader.open_files() <= 2);
                }
                seen += 1;
                Ok::<(), Error>(())
            })
            .unwrap();
            assert_eq!(seen, 8);
        }
    }
}

#[test]
fn least_recently_used_shards_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended, 32);
    let mut reader = BlockReader::new(&zoo, 3);
    let mut block = [0.0; 32];
    let mut expected = Vec::new();
    for round in 0..3 {
        for (i, entry) in zoo.entries().iter().enumerate() {
            reader.read(entry, 1, &mut block).unwrap();
            if round == 0 {
                expected.push(block);
            }
            assert_eq!(block, expected[i]);
        }
    }
    assert_eq!(reader.open_files(), 3);
    reader.set_open_files(2);
    assert_eq!(reader.open_files(), 2);
    // No room at all still means one.
    let mut reader = BlockReader::new(&zoo, 0);
    reader.read(&zoo.entries()[0], 0, &mut block).unwrap();
    assert_eq!(reader.open_files(), 1);
}

#[test]
fn blocks_and_buffers_of_another_size_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended, 32);
    let mut reader = BlockReader::new(&zoo, 3);
    let entry = &zoo.entries()[0];
    for (n, len) in [(3, 32), (0, 31)] {
        let error = reader.read(entry, n, &mut vec![0.0; len]).unwrap_err();
        assert!(matches!(error, Error::Layout(_)), "{error}");
    }
}

fn shard(dir: &Path) -> PathBuf {
    dir.join("concepts/concept-0.safetensors")
}

/// What a fresh reader says of the first block of a shard of these bytes.
fn refused(zoo: &Zoo, bytes: &[u8]) -> Error {
    fs::write(shard(zoo.dir()), bytes).unwrap();
    let entry: &Entry = &zoo.entries()[0];
    let mut reader = BlockReader::new(zoo, 3);
    let error = reader.read(entry, 0, &mut [0.0; 32]).unwrap_err();
    let damaged = matches!(
        error,
        Error::File(
            FileError::Safetensors { .. } | FileError::Dtype { .. } | FileError::NonFinite { .. }
        )
    );
    if damaged {
        assert!(error.to_string().contains("concept-0"), "{error}");
    }
    error
}

#[test]
fn damaged_shards_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended, 32);
    let good = fs::read(shard(dir.path())).unwrap();
    let damaged = |bytes: &[u8]| {
        let error = refused(&zoo, bytes);
        assert!(
            matches!(error, Error::File(FileError::Safetensors { .. })),
            "{error}"
        );
    };
    damaged(&[]);
    damaged(&good[..7]);
    damaged(&good[..20]);
    damaged(&good[..good.len() - 1]);
    damaged(&[good.as_slice(), &[0]].concat());
    // Headers said to be longer than the file, or than any.
    for len in [good.len() as u64, u64::MAX] {
        let mut bytes = good.clone();
        bytes[..8].copy_from_slice(&len.to_le_bytes());
        damaged(&bytes);
    }
    let mut bytes = good.clone();
    bytes[8] = b'x';
    damaged(&bytes);

    // NaN as the first value of all tensors.
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize + 8;
    let mut bytes = good.clone();
    for value in bytes[header..].chunks_exact_mut(4) {
        value.copy_from_slice(&f32::NAN.to_le_bytes());
    }
    assert!(matches!(
        refused(&zoo, &bytes),
        Error::File(FileError::NonFinite { .. })
    ));

    // Other tensors under good headers.
    let text = String::from_utf8(good[8..header].to_vec()).unwrap();
    let with = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        assert!(text.contains(from), "{text}");
        let mut bytes = good.clone();
        bytes[8..header].copy_from_slice(text.replace(from, to).as_bytes());
        refused(&zoo, &bytes)
    };
    let error = with("0/conv.lora_A.weight", "0/conv.lora_X.weight");
    assert!(matches!(error, Error::MissingTensor { .. }), "{error}");
    let error = with("[2,3,3,3]", "[3,3,3,2]");
    assert!(matches!(error, Error::ShapeMismatch { .. }), "{error}");
    let error = with("F32", "I32");
    assert!(
        matches!(error, Error::File(FileError::Dtype { .. })),
        "{error}"
    );

    fs::remove_file(shard(dir.path())).unwrap();
    let mut reader = BlockReader::new(&zoo, 3);
    let error = reader.read(&zoo.entries()[0], 0, &mut [0.0; 32]);
    assert!(matches!(error, Err(Error::File(FileError::Io { .. }))));
}

#[test]
fn for_each_encoded_checks_digests() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended, 32);
    let path = shard(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = zoo.for_each_encoded(|_, _| Ok::<(), Error>(()));
    assert!(matches!(error, Err(Error::Digest { .. })));
}

#[test]
fn half_precision_keeps_three_digits_and_refuses_larger_values() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended, 32);
    let (full, half) = (weights(7), zoo.load(&zoo.entries()[6]).unwrap());
    for (name, tensor) in &half {
        for (h, f) in tensor.data.iter().zip(&full[name].data) {
            assert!((h - f).abs() <= f.abs() / 1024.0 + 1e-7, "{name}: {h} {f}");
        }
    }
    let mut large = weights(1);
    large.insert(
        "fc.lora_B.weight".into(),
        HostTensor::new(vec![2, 2], vec![0.0, 65504.0, 7e4, 0.0]).unwrap(),
    );
    let other = tempfile::tempdir().unwrap();
    let mut wide = Zoo::create(other.path(), zoo.layout(), "base").unwrap();
    wide.append(&record("large", 1), &[large]).unwrap();
    match wide.export_small(dir.path()) {
        Err(Error::File(FileError::FloatRange {
            name, index, value, ..
        })) => {
            assert_eq!(
                (name.as_str(), index, value),
                ("0/fc.lora_B.weight", 2, 7e4)
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!Zoo::open(dir.path()).unwrap().contains("large"));
}

#[test]
fn tensors_without_values_are_skipped() {
    use weight_blocks::{LayerGroup, LayerKind, TensorRole};
    for rule in RULES {
        let dir = tempfile::tempdir().unwrap();
        let shapes: [&[usize]; 5] = [&[0, 4], &[6], &[0], &[5], &[3, 0]];
        let tensors: Vec<_> = (shapes.iter().enumerate())
            .map(|(i, shape)| crate::common::spec(&format!("t{i}"), shape, TensorRole::NormBias))
            .collect();
        let group = LayerGroup {
            name: "layer".into(),
            kind: LayerKind::Linear,
            tensors: tensors.clone(),
        };
        let layout = Layout::new("gaps", vec![group], rule, 4).unwrap();
        let mut zoo = Zoo::create(dir.path(), &layout, "base").unwrap();
        let weights: weight_blocks::NamedTensors = (tensors.iter())
            .map(|spec| {
                let values = (0..spec.shape.iter().product()).map(|v: usize| v as f32 + 1.0);
                let tensor = HostTensor::new(spec.shape.clone(), values.collect()).unwrap();
                (spec.name.clone(), tensor)
            })
            .collect();
        zoo.append(&record("gaps", 1), std::slice::from_ref(&weights))
            .unwrap();
        let expected = layout.encode(&weights).unwrap();
        let mut reader = BlockReader::new(&zoo, 1);
        let mut block = [9.0; 4];
        for (n, expected) in expected.chunks(4).enumerate() {
            reader.read(&zoo.entries()[0], n, &mut block).unwrap();
            assert_eq!(block, expected, "{rule:?} {n}");
        }
    }
}

#[test]
fn an_unknown_type_is_refused_before_its_values_are_read() {
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended, 32);
    // One byte a value: read as two, the last tensor would end past the file.
    let bytes = [0u8; 54];
    let tensors = groups().into_iter().flat_map(|group| group.tensors);
    let views = tensors.map(|spec| {
        let len = spec.shape.iter().product();
        let view = TensorView::new(Dtype::U8, spec.shape.clone(), &bytes[..len]).unwrap();
        (format!("0/{}", spec.name), view)
    });
    let no_metadata = None::<std::collections::HashMap<String, String>>;
    fs::write(
        shard(dir.path()),
        safetensors::serialize(views, no_metadata).unwrap(),
    )
    .unwrap();
    let mut reader = BlockReader::new(&zoo, 1);
    for n in 0..3 {
        let error = reader.read(&zoo.entries()[0], n, &mut [0.0; 32]);
        match error.unwrap_err() {
            Error::File(FileError::Dtype { dtype, .. }) => assert_eq!(dtype, Dtype::U8),
            other => panic!("{other}"),
        }
    }
}
