//! Small PyTorch files that ask for much memory.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tensor_file::{Error, PytorchError, TensorFile};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const STORAGE: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

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
        ("a/data/0", &STORAGE.map(f32::to_le_bytes).concat()),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// `{"w": tensor}` of any shape and strides, over a storage of four floats.
fn tensor(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let name = b"X\x01\0\0\0w".to_vec();
    [
        b"\x80\x02}(".to_vec(),
        name,
        rebuilt(shape, strides),
        b"u.".to_vec(),
    ]
    .concat()
}

/// A string as pickle writes it.
fn string(text: &str) -> Vec<u8> {
    let length = (text.len() as u32).to_le_bytes();
    [b"X", &length[..], text.as_bytes()].concat()
}

/// A tensor of any shape and strides, over a storage of four floats.
fn rebuilt(shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let mut pickle = b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    pickle
        .extend(b"X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0");
    for tuple in [shape, strides] {
        pickle.push(b'(');
        pickle.extend(tuple.iter().flat_map(|&number| [b'K', number]));
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    pickle
}

fn refusal(path: &Path) -> PytorchError {
    match TensorFile::open_pytorch(path).map(drop) {
        Err(Error::Pytorch { path: p, source }) => {
            assert_eq!(p, path);
            source
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_megabyte_of_empty_tuples_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let flood = [&b"\x80\x02"[..], &vec![b')'; 1 << 20], b"."].concat();
    let path = file(dir.path(), &flood);
    assert!(matches!(refusal(&path), PytorchError::Objects { .. }));
    // The same after the three small pickles of the older format: magic number, protocol, system.
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";
    let path = file(dir.path(), &[&magic[..], &flood].concat());
    assert!(matches!(refusal(&path), PytorchError::Objects { .. }));
    // And in an archive, plain and packed.
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let error = refusal(&archive(dir.path(), &flood, method));
        let expected = matches!(
            error,
            PytorchError::Objects { .. } | PytorchError::Compression { .. }
        );
        assert!(expected, "{error}");
    }
}

#[test]
fn a_part_packed_too_well_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let long = vec![b' '; 64 << 20];
    let path = archive(dir.path(), &long, CompressionMethod::Deflated);
    match refusal(&path) {
        PytorchError::Compression { part, .. } => assert_eq!(part, 64 << 20),
        other => panic!("{other}"),
    }
}

#[test]
fn a_view_that_repeats_its_storage_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    // 3.75 GB of four floats.
    let path = archive(
        dir.path(),
        &tensor(&[60, 250, 250, 250], &[0; 4]),
        CompressionMethod::Stored,
    );
    // Both ways to open it lead to the same limit, and so do all ways to read.
    for checkpoint in [TensorFile::open(&path), TensorFile::open_pytorch(&path)] {
        let checkpoint = checkpoint.unwrap();
        assert_eq!(checkpoint.get("w").unwrap().shape, [60, 250, 250, 250]);
        for result in [
            checkpoint.read("w").map(drop),
            checkpoint.read_finite("w").map(drop),
            checkpoint.read_range("w", 0..1).map(drop),
            checkpoint.read_bytes("w").map(drop),
            checkpoint.read_all().map(drop),
        ] {
            match result {
                Err(Error::Pytorch {
                    source: PytorchError::TensorSize { name, tensor, .. },
                    ..
                }) => assert_eq!((name.as_str(), tensor), ("w", 3_750_000_000)),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn views_are_read_in_row_major_order() {
    let dir = tempfile::tempdir().unwrap();
    let transposed = tensor(&[2, 2], &[1, 2]);
    let path = archive(dir.path(), &transposed, CompressionMethod::Stored);
    let checkpoint = TensorFile::open(&path).unwrap();
    assert_eq!(checkpoint.get("w").unwrap().to_string(), "F32 [2, 2]");
    assert_eq!(checkpoint.read("w").unwrap(), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(checkpoint.read_range("w", 1..3).unwrap(), [3.0, 2.0]);
    assert!(matches!(checkpoint.read("v"), Err(Error::MissingTensor { name, .. }) if name == "v"));
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let missing = TensorFile::open_pytorch(dir.path().join("none.pth")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
    for bytes in [
        &b""[..],
        b"PK",
        b"PK\x03\x04 and no more",
        b"\x80\x02",
        b"text",
    ] {
        let error = refusal(&file(dir.path(), bytes));
        let expected = matches!(error, PytorchError::Archive(_) | PytorchError::Reader(_));
        assert!(expected, "{error:?}");
    }
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(matches!(
        refusal(&file(dir.path(), &tar)),
        PytorchError::Tar
    ));
}

/// `torch.save({"params": {"w": …}, "params_ema": {"_orig_mod.w": …}, "iter": 5}, path)`.
fn several() -> Vec<u8> {
    let dict = |name: &str, shape: &[u8], strides: &[u8]| {
        let parts = [
            b"}(".to_vec(),
            string(name),
            rebuilt(shape, strides),
            b"u".to_vec(),
        ];
        parts.concat()
    };
    [
        b"\x80\x02}(".to_vec(),
        string("params"),
        dict("w", &[2, 2], &[2, 1]),
        string("params_ema"),
        dict("_orig_mod.w", &[2, 2], &[1, 2]),
        string("iter"),
        b"K\x05u.".to_vec(),
    ]
    .concat()
}

#[test]
fn objects_in_a_checkpoint_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = archive(dir.path(), &several(), CompressionMethod::Stored);
    let file = TensorFile::open(&path).unwrap();
    assert_eq!(file.keys(), ["params", "params_ema"]);
    assert_eq!(file.parts_with("w"), ["params", "params_ema"]);
    let average = file.part("params_ema").unwrap();
    assert_eq!(average["w"], "params_ema._orig_mod.w");
    assert_eq!(file.read(&average["w"]).unwrap(), [1.0, 3.0, 2.0, 4.0]);
    match file.part("netG") {
        Err(Error::MissingPart { keys, .. }) => assert_eq!(keys, "`params`, `params_ema`"),
        other => panic!("{other:?}"),
    }
}

/// Cut at every length, and each byte changed: the same tensors or an error, as the archive has checksums.
#[test]
fn a_damaged_archive_is_refused_or_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let path = archive(dir.path(), &several(), method);
        let whole = std::fs::read(&path).unwrap();
        let read = || {
            let file = TensorFile::open_pytorch(&path)?;
            let names: Vec<String> = file.tensors().map(|t| t.name.to_owned()).collect();
            let values = names.iter().map(|name| file.read(name));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Error>((names, values))
        };
        let expected = read().unwrap();
        assert_eq!(expected.0.len(), 2);
        // Changed and shortened in place: file systems write a file to the disk when it is emptied first.
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut set = |at: usize, byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        for at in 0..whole.len() {
            set(at, whole[at] ^ [0x01, 0x80, 0xff][at % 3]);
            if let Ok(found) = read() {
                assert_eq!(found, expected, "{method} changed at {at}");
            }
            set(at, whole[at]);
        }
        for length in (0..whole.len()).rev() {
            file.set_len(length as u64).unwrap();
            if let Ok(found) = read() {
                assert_eq!(found, expected, "{method} cut to {length}");
            }
        }
    }
}
