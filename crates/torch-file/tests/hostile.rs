//! Small files that ask for much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Write;
use std::path::{Path, PathBuf};

use torch_file::{Error, open, read};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn file(dir: &Path, bytes: &[u8]) -> PathBuf {
    let path = dir.join("a.pth");
    std::fs::write(&path, bytes).unwrap();
    path
}

/// An archive of a pickle and of a storage of four floats.
fn archive(dir: &Path, pickle: &[u8], method: CompressionMethod) -> PathBuf {
    let path = dir.join("a.pth");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in [
        ("a/data.pkl", pickle),
        ("a/version", b"3\n"),
        ("a/data/0", &[0; 16]),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// `{"w": tensor}` of so many values by its shape, each with the stride `stride`, over storage 0 of four.
fn tensor(count: u8, stride: u8) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    pickle
        .extend(b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0");
    // The shape [count, 250, 250, 250].
    pickle.extend([b'(', b'K', count, b'K', 250, b'K', 250, b'K', 250, b't']);
    pickle.extend([b'(', b'K', stride, b'K', 0, b'K', 0, b'K', 0, b't']);
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRu.");
    pickle
}

fn limited(path: &Path) -> String {
    match open(path).map(drop) {
        Err(error @ Error::Limit { .. }) => {
            let text = error.to_string();
            assert!(text.contains("a.pth"), "{text}");
            text
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_megabyte_of_empty_tuples_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let flood = [&b"\x80\x02"[..], &vec![b')'; 1 << 20], b"."].concat();
    assert!(limited(&file(dir.path(), &flood)).contains("pickled objects"));
    // The same after the three small pickles of the older format: magic number, protocol, system.
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let legacy = [&magic[..], &flood].concat();
    assert!(limited(&file(dir.path(), &legacy)).contains("pickled objects"));
    // And in an archive, plain and packed.
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let path = archive(dir.path(), &flood, method);
        let text = limited(&path);
        assert!(
            text.contains("pickled objects") || text.contains("packed"),
            "{text}"
        );
    }
}

#[test]
fn a_part_packed_too_well_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let long = vec![b' '; 64 << 20];
    let path = archive(dir.path(), &long, CompressionMethod::Deflated);
    assert!(limited(&path).contains("packed into"));
}

#[test]
fn a_view_that_repeats_its_storage_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    // 3.75 GB of four floats.
    let path = archive(dir.path(), &tensor(60, 0), CompressionMethod::Stored);
    let checkpoint = open(&path).unwrap();
    let tensor = checkpoint.get("w").unwrap();
    assert_eq!(tensor.shape(), [60, 250, 250, 250]);
    match read(&path, tensor) {
        Err(Error::Limit { why, .. }) => assert!(why.contains("`w`"), "{why}"),
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
}

#[test]
fn other_files_are_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let missing = open(dir.path().join("none.pth")).map(drop).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
    for bytes in [
        &b""[..],
        b"PK",
        b"PK\x03\x04 and no more",
        b"\x80\x02",
        b"text",
    ] {
        let error = open(file(dir.path(), bytes)).map(drop).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(limited(&file(dir.path(), &tar)).contains("TAR"));
}
