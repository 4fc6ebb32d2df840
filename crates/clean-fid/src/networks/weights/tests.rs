//! Tests of reading weight files.

use std::path::PathBuf;

use super::*;

const TINY: [&str; 2] = ["tiny_zip.pth", "tiny_legacy.pth"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Reads all that the tiny files hold.
fn contents(path: &Path) -> Result<(Vec<f32>, Vec<f32>), WeightError> {
    let mut file = WeightFile::open(path)?;
    let rows = file.take("rows", &[2, 3])?;
    let columns = file.take("inner.columns", &[3, 2])?;
    file.skip("count", &[]);
    file.finish()?;
    Ok((rows, columns))
}

#[test]
fn both_formats_of_torch_are_read() {
    for name in TINY {
        let (rows, columns) = contents(&fixture(name)).unwrap();
        assert_eq!(rows, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        // A transposed view, in the order of its rows.
        assert_eq!(columns, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }
}

#[test]
fn a_part_of_a_checkpoint_is_found() {
    let open = || WeightFile::open(&fixture(TINY[0])).unwrap();
    let mut file = open();
    file.seek("columns", None).unwrap();
    assert_eq!(file.part, "inner");
    assert_eq!(file.take("columns", &[3, 2]).unwrap().len(), 6);
    assert!(matches!(
        file.take("rows", &[2, 3]),
        Err(WeightError::MissingTensor { .. })
    ));
    file.finish().unwrap();

    // Names that are there as they are, or nowhere, change nothing.
    for anchor in ["rows", "olumns", "none"] {
        let mut file = open();
        file.seek(anchor, None).unwrap();
        assert_eq!(file.part, "");
    }
    let mut file = open();
    file.seek("rows", Some("inner")).unwrap();
    assert_eq!(file.take("columns", &[3, 2]).unwrap().len(), 6);
    let keys = file.seek("rows", Some("outer")).unwrap_err().to_string();
    assert!(
        keys.contains("no `outer`") && keys.contains("`inner`"),
        "{keys}"
    );
    let mut file = open();
    let integers = file.take("count", &[]).unwrap_err().to_string();
    assert!(integers.contains("I64"), "{integers}");
    let shape = file.take("rows", &[3, 2]).unwrap_err().to_string();
    assert!(shape.contains("[2, 3]"), "{shape}");
}

/// As BasicSR and `torch.compile` save them: under keys, with parts of names that are not the network's.
#[test]
fn wrapped_and_several_parts_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("several.safetensors");
    let write = |names: &[&str]| {
        let mut writer = tensor_file::SafetensorsWriter::new();
        for (index, name) in names.iter().enumerate() {
            writer.f32(name, &[1], &[index as f32]).unwrap();
        }
        writer.write(&path).unwrap();
        WeightFile::open(&path).unwrap()
    };
    let mut file = write(&["module._orig_mod.a", "_orig_mod.b.module._orig_mod.c"]);
    file.seek("a", None).unwrap();
    assert_eq!(file.take("a", &[1]).unwrap(), [0.0]);
    assert_eq!(file.take("b.module.c", &[1]).unwrap(), [1.0]);
    file.finish().unwrap();

    let mut file = write(&["params._orig_mod.a", "params_ema.a"]);
    let keys = file.seek("a", None).unwrap_err().to_string();
    assert!(keys.contains("`params`, `params_ema`"), "{keys}");
    file.seek("a", Some("params_ema")).unwrap();
    assert_eq!(file.take("a", &[1]).unwrap(), [1.0]);
    file.finish().unwrap();
}

/// Cut at every length, and every byte set to another value: an error or the tensors, and never a panic.
#[test]
fn damaged_checkpoints_are_refused_or_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.pth");
    for name in TINY {
        let whole = std::fs::read(fixture(name)).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = contents(&path).unwrap_err();
            assert!(
                matches!(error, WeightError::File(_)),
                "{name} cut at {length}: {error}"
            );
        }
        let expected = contents(&fixture(name)).unwrap();
        let mut refused = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= [0x01, 0x80, 0xff][at % 3];
            std::fs::write(&path, &bytes).unwrap();
            match contents(&path) {
                Err(_) => refused += 1,
                // Archives have checksums; what is not covered does not matter.
                Ok(found) if name.contains("zip") => assert_eq!(found, expected, "{name} at {at}"),
                Ok(_) => {}
            }
        }
        println!("{name}: {refused} of {} refused", whole.len());
        assert!(refused > whole.len() / 12);
    }
}

#[test]
fn files_too_large_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.pth");
    // Sparse: it takes no room.
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(LARGEST + 1).unwrap();
    let outcome = WeightFile::open(&path);
    assert!(matches!(
        outcome,
        Err(WeightError::File(tensor_file::Error::TooLarge { .. }))
    ));
}
