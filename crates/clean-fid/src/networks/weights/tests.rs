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
    file.seek("columns");
    assert_eq!(file.take("columns", &[3, 2]).unwrap().len(), 6);
    assert!(matches!(
        file.take("rows", &[2, 3]),
        Err(WeightError::MissingTensor { .. })
    ));
    file.finish().unwrap();

    // Names that are there as they are, or nowhere, change nothing.
    for anchor in ["rows", "olumns", "none"] {
        let mut file = open();
        file.seek(anchor);
        assert_eq!(file.prefix, "");
    }
    let mut file = open();
    let integers = file.take("count", &[]).unwrap_err().to_string();
    assert!(integers.contains("I64"), "{integers}");
    let shape = file.take("rows", &[3, 2]).unwrap_err().to_string();
    assert!(shape.contains("[2, 3]"), "{shape}");
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
        let mut refused = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= [0x01, 0x80, 0xff][at % 3];
            std::fs::write(&path, &bytes).unwrap();
            refused += usize::from(contents(&path).is_err());
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
