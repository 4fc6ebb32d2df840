//! Image files against PIL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use clean_fid::{Error, Picture};
use common::Fixture;

/// Largest and mean difference to PIL on 0..255. Files without loss have to be equal; decoders of the others round
/// the cosine transform and the colours each in its own way.
fn bounds(name: &str) -> (f32, f64) {
    match name {
        "progressive.jpg" | "coarse.jpg" => (4.0, 0.5),
        "fine.jpg" => (2.0, 0.05),
        "grey.jpg" => (1.0, 0.02),
        _ => (0.0, 0.0),
    }
}

#[test]
fn files_are_read_as_pil_reads_them() {
    let fixture = Fixture::open("decode.safetensors");
    let names = fixture.names("/file");
    assert_eq!(names.len(), 14);
    for name in names {
        let (file, _) = fixture.bytes(&format!("{name}/file"));
        let (rgb, shape) = fixture.bytes(&format!("{name}/rgb"));
        let ours = Picture::decode(&file, &name).unwrap();
        let theirs = Picture::from_rgb8(&rgb, shape[1], shape[0]).unwrap();
        assert_eq!(
            [ours.width(), ours.height()],
            [theirs.width(), theirs.height()]
        );
        let differences: Vec<f32> = ours
            .planes()
            .iter()
            .zip(theirs.planes())
            .map(|(a, b)| (a - b).abs())
            .collect();
        let largest = differences.iter().fold(0f32, |m, v| m.max(*v));
        let mean =
            differences.iter().map(|v| f64::from(*v)).sum::<f64>() / differences.len() as f64;
        println!("{name}: largest difference {largest}, mean {mean:.4}");
        let (most, mean_bound) = bounds(&name);
        assert!(
            largest <= most && mean <= mean_bound,
            "{name}: {largest}, mean {mean}"
        );
    }
}

#[test]
fn damaged_files_are_refused() {
    let fixture = Fixture::open("decode.safetensors");
    let (file, _) = fixture.bytes("rgb.png/file");
    for length in [0, 7, 40, file.len() / 2] {
        let error = Picture::decode(&file[..length], "cut.png").unwrap_err();
        assert!(matches!(error, Error::Image { .. }), "{error}");
        assert!(error.to_string().contains("cut.png"), "{error}");
    }
    let error = Picture::decode(b"GIF89a and so on", "x.gif").unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error}");

    // A header that claims 60,000 × 60,000 pixels of colour: refused before memory is set aside for it.
    let mut huge = file.clone();
    huge[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let error = Picture::decode(&huge, "huge.png").unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.jpg");
    // The content decides.
    std::fs::write(&path, &file).unwrap();
    assert_eq!(Picture::open(&path).unwrap().width(), 45);
    let missing = Picture::open(folder.path().join("none.png"));
    assert!(matches!(missing, Err(Error::Io { .. })));
}
