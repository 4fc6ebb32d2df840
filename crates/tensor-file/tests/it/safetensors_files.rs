//! Safetensors in and out, digests, atomic writes.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use tensor_file::{
    Dtype, Error, HeaderError, HostTensor, NamedTensors, SafetensorsWriter, TensorFile, atomic,
    decode_text, digest, load_safetensors, read_limited, save_safetensors,
};

fn one(values: &[f32]) -> NamedTensors {
    let tensor = HostTensor::new(vec![values.len()], values.to_vec()).unwrap();
    BTreeMap::from([("w".to_owned(), tensor)])
}

/// The bytes of a file with one tensor `w` of any type.
fn raw(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
    safetensors::serialize([("w", view)], None).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_round_trip_keeps_bits_shapes_and_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/w.safetensors");
    let mut tensors = one(&[3.0, 1.0, 2.0]);
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
    assert_eq!(names(path.parent().unwrap()), ["w.safetensors"]);
}

#[test]
fn files_are_those_of_the_library_byte_for_byte() {
    let values = [1.0f32, -2.5, 65504.0];
    let singles = values.map(f32::to_le_bytes).concat();
    let halves: Vec<u8> = [0x3c00u16, 0xc100, 0x7bff]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let count = 7i64.to_le_bytes();
    let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes);
    let library = |metadata: Option<HashMap<String, String>>| {
        let views = [
            ("half", view(Dtype::F16, &[3], &halves)),
            ("b\"ö", view(Dtype::F32, &[3, 1], &singles)),
            ("a", view(Dtype::F32, &[1, 3], &singles)),
            ("count", view(Dtype::I64, &[], &count)),
            ("none", view(Dtype::F32, &[0], &[])),
        ];
        let views = views.map(|(name, view)| (name, view.unwrap()));
        safetensors::serialize(views, metadata).unwrap()
    };
    let mut writer = SafetensorsWriter::new();
    writer.f16("half", &[3], &values).unwrap();
    writer.f32("b\"ö", &[3, 1], &values).unwrap();
    writer.f32("a", &[1, 3], &values).unwrap();
    writer.i64("count", &[], &[7]).unwrap();
    writer.f32("none", &[0], &[]).unwrap();
    assert_eq!(writer.to_bytes().unwrap(), library(None));
    writer.metadata("format", "pt");
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    assert_eq!(writer.to_bytes().unwrap(), library(Some(metadata)));
    let empty = safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), None).unwrap();
    assert_eq!(SafetensorsWriter::new().to_bytes().unwrap(), empty);
}

#[test]
fn metadata_does_not_change_order() {
    let file = |keys: &[usize]| {
        let mut writer = SafetensorsWriter::new();
        for key in keys {
            writer.metadata(&format!("key {key}"), &key.to_string());
        }
        writer.to_bytes().unwrap()
    };
    let bytes = file(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(bytes, file(&[7, 3, 5, 0, 1, 6, 4, 2]));
    let read = TensorFile::from_bytes("eight", bytes).unwrap();
    assert_eq!(read.metadata().len(), 8);
    assert_eq!(read.metadata()["key 3"], "3");
}

#[test]
fn values_past_16_bits_are_not_written() {
    let mut writer = SafetensorsWriter::new();
    match writer.f16("w", &[3], &[1.0, f32::NAN, -65520.0]) {
        Err(Error::FloatRange {
            name,
            dtype: Dtype::F16,
            index,
            value,
        }) => {
            assert_eq!((name.as_str(), index, value), ("w", 2, -65520.0));
        }
        other => panic!("{other:?}"),
    }
    writer.f16("w", &[2], &[65519.0, f32::INFINITY]).unwrap();
    let bf16 =
        |writer: &mut SafetensorsWriter, value| writer.floats("w", Dtype::BF16, &[1], &[value]);
    bf16(&mut writer, 65520.0).unwrap();
    let error = bf16(&mut writer, f32::MAX).unwrap_err().to_string();
    assert!(error.contains("largest BF16 number"), "{error}");
    let error = writer.floats("w", Dtype::I32, &[1], &[1.0]).unwrap_err();
    assert!(matches!(error, Error::NotFloats { .. }), "{error}");
}

#[test]
fn floats_are_written_in_the_width_that_is_asked_for() {
    let values = [1.0f32, -0.5, 1.0 / 3.0];
    for (dtype, bytes, third) in [
        (Dtype::F64, 24, 1.0f32 / 3.0),
        (Dtype::F32, 12, 1.0 / 3.0),
        (Dtype::F16, 6, 0.33325195),
        (Dtype::BF16, 6, 0.33398438),
    ] {
        let mut writer = SafetensorsWriter::new();
        writer.floats("w", dtype, &[3], &values).unwrap();
        let file = TensorFile::from_bytes("w", writer.to_bytes().unwrap()).unwrap();
        assert_eq!(file.get("w").unwrap().dtype, dtype);
        assert_eq!(file.read_bytes("w").unwrap().len(), bytes);
        assert_eq!(file.read("w").unwrap(), [1.0, -0.5, third]);
    }
}

#[test]
fn floats_of_any_width_are_read() {
    let read = |dtype, shape: &[usize], bytes: &[u8]| {
        let file = TensorFile::from_bytes("w", raw(dtype, shape, bytes)).unwrap();
        file.read("w").unwrap()
    };
    let pairs =
        |values: &[u16]| -> Vec<u8> { values.iter().flat_map(|v| v.to_le_bytes()).collect() };
    // 1.0, −2.0, the f16 nearest 1/3, the smallest subnormal 2⁻²⁴
    let halves = read(
        Dtype::F16,
        &[2, 2],
        &pairs(&[0x3c00, 0xc000, 0x3555, 0x0001]),
    );
    assert_eq!(halves, [1.0, -2.0, 0.333_251_95, 5.960_464_5e-8]);
    // 1.0, π to 8 bits, −0
    let brain = read(Dtype::BF16, &[3], &pairs(&[0x3f80, 0x4049, 0x8000]));
    assert_eq!(brain, [1.0, 3.140_625, -0.0]);
    assert!(brain[2].is_sign_negative());
    let doubles = [0.1f64, -1e-300].map(f64::to_le_bytes).concat();
    assert_eq!(read(Dtype::F64, &[2], &doubles), [0.1, -0.0]);
}

#[test]
fn parts_are_read_from_a_file_and_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let mut writer = SafetensorsWriter::new();
    writer.f16("first", &[2], &[1.0, 2.0]).unwrap();
    writer
        .f32("w", &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
        .unwrap();
    writer.write(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for file in [
        TensorFile::open(&path).unwrap(),
        TensorFile::from_bytes(&path, &bytes[..]).unwrap(),
    ] {
        assert_eq!(file.path(), path);
        let found: Vec<String> = file.tensors().map(|t| format!("{} {t}", t.name)).collect();
        assert_eq!(found, ["first F16 [2]", "w F32 [2, 3]"]);
        assert_eq!(file.read("first").unwrap(), [1.0, 2.0]);
        assert_eq!(file.read_range("w", 2..5).unwrap(), [2.0, 3.0, 4.0]);
        assert!(file.read_range("w", 6..6).unwrap().is_empty());
        assert_eq!(&*file.read_bytes("first").unwrap(), [0, 0x3c, 0, 0x40]);
        let bad = file.read_range("w", 5..7).unwrap_err().to_string();
        assert!(bad.contains("6 values, not 5..7"), "{bad}");
        assert!(file.get("none").is_none());
        let missing = file.read("none").unwrap_err();
        assert!(matches!(missing, Error::MissingTensor { name, .. } if name == "none"));
    }
}

#[test]
fn other_types_are_refused_by_name() {
    let bytes = raw(Dtype::I64, &[1], &7i64.to_le_bytes());
    let file = TensorFile::from_bytes("w.safetensors", bytes).unwrap();
    match file.read_all() {
        Err(Error::Dtype { path, name, dtype }) => {
            assert_eq!((path.to_str(), name.as_str()), (Some("w.safetensors"), "w"));
            assert_eq!(dtype, Dtype::I64);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(&*file.read_bytes("w").unwrap(), 7i64.to_le_bytes());
    // What PyTorch's batch norms count in.
    let mut writer = SafetensorsWriter::new();
    writer.i64("norm.num_batches_tracked", &[], &[9]).unwrap();
    writer.f32("norm.weight", &[1], &[1.0]).unwrap();
    let file = TensorFile::from_bytes("norm", writer.to_bytes().unwrap()).unwrap();
    let tensors = file.read_all().unwrap();
    assert_eq!(tensors.keys().collect::<Vec<_>>(), ["norm.weight"]);
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
        TensorFile::from_bytes("cut", &whole[..len]).unwrap_err();
    }
    fs::write(&path, &whole).unwrap();
    load_safetensors(&path).unwrap();
}

#[test]
fn a_changed_header_byte_does_not_panic() {
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
fn headers_are_checked_before_anything_is_allocated() {
    let header = |json: &str, data: usize| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let tensor = |shape: &str, end: u64, data| {
        let json = format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#);
        header(&json, data)
    };
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.resize(100, b' ');
    let error = |bytes: Vec<u8>| match TensorFile::from_bytes("w", bytes) {
        Err(Error::Safetensors { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        error(vec![0; 7]),
        HeaderError::TooShort { bytes: 7 }
    ));
    assert!(matches!(error(huge), HeaderError::TooLong { bytes, .. } if bytes == u64::MAX));
    let long = 99_000_000u64.to_le_bytes().to_vec();
    assert!(matches!(
        error(long),
        HeaderError::Truncated {
            header: 99_000_000,
            bytes: 8
        }
    ));
    for bytes in [
        tensor("[1099511627776,1099511627776]", 16, 16),
        tensor("[1099511627776]", 16, 16),
        tensor("[-4]", 16, 16),
        tensor("[4]", 20, 20),
        header("[]", 0),
        header("{\"\u{0}", 0),
    ] {
        assert!(matches!(error(bytes), HeaderError::Invalid(_)));
    }
    for bytes in [
        tensor("[4]", 16, 15),
        tensor("[4]", 16, 17),
        tensor("[1099511627776]", 1 << 42, 16),
        header("{}", 1),
    ] {
        assert!(matches!(error(bytes), HeaderError::TensorBytes { .. }));
    }
    TensorFile::from_bytes("w", tensor("[4]", 16, 16)).unwrap();
}

#[test]
fn nan_and_infinite_values_are_refused_by_position() {
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
    let overflow = HostTensor::new(vec![usize::MAX, 2], vec![]);
    assert!(matches!(overflow, Err(Error::ValueCount { .. })));
}

#[test]
fn the_digest_is_sha_256() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("abc");
    fs::write(&path, "abc").unwrap();
    // FIPS 180-2, appendix B.1
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest::file_sha256(&path).unwrap(), abc);
    assert_eq!(digest::sha256_hex(b"abc"), abc);
    // FIPS 180-2, appendix B.3: a million times `a`, which takes more than one read.
    fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
    assert_eq!(
        digest::file_sha256(&path).unwrap(),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
    // The length of a part counts.
    let parts = |parts: &[&str]| {
        let mut digest = digest::Sha256::new();
        parts.iter().for_each(|part| digest.update_part(part));
        digest.finish()
    };
    assert_ne!(parts(&["ab", "c"]), parts(&["a", "bc"]));
    let mut plain = digest::Sha256::new();
    plain.update([2, 0, 0, 0, 0, 0, 0, 0]);
    plain.update("ab");
    assert_eq!(parts(&["ab"]), plain.finish());
}

#[test]
fn missing_files_and_unwritable_places_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.safetensors");
    for result in [
        load_safetensors(&missing).map(drop),
        TensorFile::open(&missing).map(drop),
        digest::file_sha256(&missing).map(drop),
        read_limited(&missing, 10).map(drop),
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
    match atomic::write(&below, b"x") {
        Err(Error::Io { path, .. }) => assert_eq!(path, below),
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_above_a_limit_are_refused_before_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
    // Sparse: it takes no space.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    match read_limited(&path, 5) {
        Err(Error::TooLarge { bytes, limit, .. }) => assert_eq!((bytes, limit), (1 << 40, 5)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_atomic_write_replaces_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    atomic::write(&path, b"old").unwrap();
    atomic::write(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["f"]);
    // If the rename cannot succeed, no temporary file stays either.
    let folder = dir.path().join("folder");
    fs::create_dir_all(folder.join("full")).unwrap();
    assert!(atomic::write(&folder, b"x").is_err());
    assert_eq!(names(dir.path()).len(), 2);
}

#[test]
fn a_name_given_twice_is_refused() {
    // Of one type each, so that either reading of the second file would be valid.
    let twice = [
        r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        r#"{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#,
        r#"{"__metadata__":{"w":"1","w":"2"},"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    ];
    for header in twice {
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [&length[..], header.as_bytes(), &[0; 4]].concat();
        match TensorFile::from_bytes("twice.safetensors", bytes) {
            Err(Error::Safetensors {
                source: HeaderError::Duplicate { name },
                ..
            }) => assert_eq!(name, "w"),
            other => panic!("{other:?}"),
        }
    }
    // A tensor's name may also be an entry of the metadata.
    let header =
        r#"{"__metadata__":{"w":"1"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let bytes = [&length[..], header.as_bytes(), &[0; 4]].concat();
    TensorFile::from_bytes("once.safetensors", bytes).unwrap();
}

#[test]
fn paths_may_be_text() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    atomic::remove_abandoned(folder);
    atomic::sync_folder(folder).unwrap();
    atomic::check(format!("{folder}/a.txt")).unwrap();
    assert_eq!(decode_text(b"red fog", "a.txt").unwrap(), "red fog");
}
