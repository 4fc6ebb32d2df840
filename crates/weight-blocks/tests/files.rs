//! Safetensors in and out, digests, atomic writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::fs;

use common::weights;
use safetensors::tensor::{Dtype, TensorView};
use weight_blocks::{
    Error, HostTensor, NamedTensors, file_digest, load_safetensors, save_safetensors, write_atomic,
};

fn one(values: &[f32]) -> NamedTensors {
    let tensor = HostTensor::new(vec![values.len()], values.to_vec()).unwrap();
    BTreeMap::from([("w".to_owned(), tensor)])
}

/// A file with one tensor `w` of any type.
fn raw(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    safetensors::serialize([("w", view)], None).unwrap()
}

#[test]
fn a_round_trip_keeps_bits_shapes_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/w.safetensors");
    let mut tensors = weights(3);
    let odd = [
        -0.0,
        f32::from_bits(1),
        f32::MIN,
        f32::MAX,
        f32::from_bits(0x807f_ffff),
        1.0,
    ];
    tensors.insert(
        "odd".into(),
        HostTensor::new(vec![1, 2, 3], odd.to_vec()).unwrap(),
    );
    tensors.insert("empty".into(), HostTensor::new(vec![0, 4], vec![]).unwrap());
    let metadata = BTreeMap::from([("prompt".to_owned(), "„grün“".to_owned())]);
    save_safetensors(&path, &tensors, &metadata).unwrap();
    let (back, found) = load_safetensors(&path).unwrap();
    assert_eq!(found, metadata);
    assert_eq!(
        back.keys().collect::<Vec<_>>(),
        tensors.keys().collect::<Vec<_>>()
    );
    for (name, tensor) in &tensors {
        assert_eq!(back[name].shape, tensor.shape, "{name}");
        let bits = |t: &HostTensor| t.data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back[name]), bits(tensor), "{name}");
    }
    // The same again gives the same file, and nothing is left beside it.
    let first = fs::read(&path).unwrap();
    save_safetensors(&path, &tensors, &metadata).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(common::files(dir.path()).len(), 1);
}

#[test]
fn half_precision_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    // 1.0, −2.0, the f16 nearest 1/3, the smallest subnormal 2⁻²⁴
    let f16: Vec<u8> = [0x3c00u16, 0xc000, 0x3555, 0x0001]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    fs::write(&path, raw(Dtype::F16, &[2, 2], &f16)).unwrap();
    let (tensors, _) = load_safetensors(&path).unwrap();
    assert_eq!(tensors["w"].shape, [2, 2]);
    assert_eq!(tensors["w"].data, [1.0, -2.0, 0.333_251_95, 5.960_464_5e-8]);
    // 1.0, π to 8 bits, −0
    let bf16: Vec<u8> = [0x3f80u16, 0x4049, 0x8000]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    fs::write(&path, raw(Dtype::BF16, &[3], &bf16)).unwrap();
    let (tensors, _) = load_safetensors(&path).unwrap();
    assert_eq!(tensors["w"].data, [1.0, 3.140_625, -0.0]);
    assert!(tensors["w"].data[2].is_sign_negative());
}

#[test]
fn other_types_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    fs::write(&path, raw(Dtype::I64, &[1], &7i64.to_le_bytes())).unwrap();
    match load_safetensors(&path) {
        Err(Error::Dtype {
            path: p,
            name,
            dtype,
        }) => {
            assert_eq!((p, name.as_str(), dtype.as_str()), (path, "w", "I64"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.safetensors");
    save_safetensors(&path, &one(&[1.0, 2.0, 3.0]), &BTreeMap::new()).unwrap();
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 60);
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        match load_safetensors(&path) {
            Err(error @ Error::Safetensors { .. }) => {
                assert!(error.to_string().contains("cut.safetensors"), "{error}");
            }
            other => panic!("{len} bytes: {other:?}"),
        }
    }
    fs::write(&path, &whole).unwrap();
    load_safetensors(&path).unwrap();
}

#[test]
fn a_changed_header_byte_is_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    save_safetensors(&path, &one(&[1.0, 2.0, 3.0]), &BTreeMap::new()).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() - 12 {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            fs::write(&path, &bytes).unwrap();
            refused += u32::from(load_safetensors(&path).is_err());
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn values_that_are_no_numbers_are_refused_by_position() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        save_safetensors(&path, &one(&[1.0, 2.0, bad, bad]), &BTreeMap::new()).unwrap();
        match load_safetensors(&path) {
            Err(Error::NonFinite {
                path: p,
                name,
                index,
                value,
            }) => {
                assert_eq!((&p, name.as_str(), index), (&path, "w", 2));
                assert_eq!(value.to_bits(), bad.to_bits());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn values_that_do_not_fill_their_shape_are_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let tensor = HostTensor {
        shape: vec![3],
        data: vec![0.0; 2],
    };
    let tensors = BTreeMap::from([("w".to_owned(), tensor)]);
    match save_safetensors(&path, &tensors, &BTreeMap::new()) {
        Err(Error::ValueCount { shape, values }) => assert_eq!((shape, values), (vec![3], 2)),
        other => panic!("{other:?}"),
    }
    assert!(!path.exists());
}

#[test]
fn the_digest_is_sha_256() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("abc");
    fs::write(&path, "abc").unwrap();
    // FIPS 180-2, appendix B.1
    assert_eq!(
        file_digest(&path).unwrap(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    // FIPS 180-2, appendix B.3: a million times `a`, which takes more than one read.
    fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
    assert_eq!(
        file_digest(&path).unwrap(),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
}

#[test]
fn missing_files_and_unwritable_places_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.safetensors");
    for result in [
        load_safetensors(&missing).map(drop),
        file_digest(&missing).map(drop),
    ] {
        match result {
            Err(Error::Io { path, .. }) => assert_eq!(path, missing),
            other => panic!("{other:?}"),
        }
    }
    // A file stands where a folder is needed.
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let below = file.join("w.safetensors");
    match write_atomic(&below, b"x") {
        Err(Error::Io { path, .. }) => assert_eq!(path, below),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_atomic_write_replaces_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    write_atomic(&path, b"old").unwrap();
    write_atomic(&path, b"new").unwrap();
    let files = common::files(dir.path());
    assert_eq!(files.len(), 1);
    assert_eq!(files[std::path::Path::new("f")], b"new");
    // Where the rename cannot succeed, no temporary file stays either.
    let folder = dir.path().join("folder");
    fs::create_dir_all(folder.join("full")).unwrap();
    assert!(write_atomic(&folder, b"x").is_err());
    assert_eq!(common::files(dir.path()).len(), 1);
}

#[cfg(unix)]
#[test]
fn written_files_have_the_permissions_of_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
    write_atomic(&ours, b"x").unwrap();
    fs::write(&plain, "x").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}
