//! Faces in a group photo: SeetaFace's against OpenCV's cascade (tools/editor_fixtures_faces.py), and the crops.
//!
//! The model and the photo are the crate `rustface`'s: tests/fixtures/faces/README.md.

use std::path::{Path, PathBuf};

use concepts::prepare::{
    Crop, FaceBox, FaceBoxes, FaceDetector, PrepareSettings, SeetaDetector, plan, prepare,
};
use concepts::{Error, FileError};
use image::imageops;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/faces")
        .join(name)
}

fn model() -> PathBuf {
    fixture("seeta_fd_frontal_v1.0.bin")
}

fn photo() -> image::RgbImage {
    image::open(fixture("solvay-1927.png")).unwrap().into_rgb8()
}

fn detector() -> SeetaDetector {
    SeetaDetector::open(&model()).unwrap()
}

fn overlap(a: FaceBox, b: [f64; 4]) -> f64 {
    let b = FaceBox::from(b);
    let side = |a0: f64, a1: f64, b0: f64, b1: f64| (a1.min(b1) - a0.max(b0)).max(0.0);
    let both = side(a.x, a.x + a.width, b.x, b.x + b.width)
        * side(a.y, a.y + a.height, b.y, b.y + b.height);
    both / (a.width * a.height + b.width * b.height - both)
}

#[test]
fn faces_are_where_opencv_sees_them() {
    // OpenCV's boxes in the photo at full size.
    let reference: Vec<[f64; 4]> =
        serde_json::from_str(include_str!("../fixtures/faces/opencv.json")).unwrap();
    assert!(reference.len() >= 20);
    let photo = photo();
    // Quarters, so that the faces are large enough at the size that is searched.
    let mut found = 0;
    let detector = detector();
    for (x, width) in [(0, 700), (560, 620), (1040, 626)] {
        let part = imageops::crop_imm(&photo, x, 0, width, 400).to_image();
        let part = imageops::resize(&part, 2 * width, 800, imageops::FilterType::CatmullRom);
        let faces = detector.faces(&part).unwrap();
        let at = |face: &FaceBox| FaceBox {
            x: face.x / 2.0 + f64::from(x),
            y: face.y / 2.0,
            width: face.width / 2.0,
            height: face.height / 2.0,
        };
        let seen = faces.iter().filter(|face| {
            let face = at(face);
            reference.iter().any(|theirs| overlap(face, *theirs) > 0.4)
        });
        let seen = seen.count();
        assert!(
            10 * seen >= 9 * faces.len(),
            "{seen} of {} where OpenCV sees one",
            faces.len()
        );
        found += seen;
    }
    assert!(found >= 20, "{found}");
}

#[test]
fn photos_are_cropped_to_the_largest_face() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    std::fs::create_dir(&photos).unwrap();
    let group = photo();
    // A single face (Einstein's), left in a wide picture.
    let one = imageops::crop_imm(&group, 850, 210, 100, 120).to_image();
    let one = imageops::resize(&one, 400, 480, imageops::FilterType::CatmullRom);
    let mut wide = image::RgbImage::from_pixel(1600, 480, image::Rgb([90, 90, 90]));
    imageops::replace(&mut wide, &one, 60, 0);
    wide.save(photos.join("one.png")).unwrap();
    image::RgbImage::from_pixel(300, 300, image::Rgb([90, 90, 90]))
        .save(photos.join("none.png"))
        .unwrap();
    image::RgbImage::new(8, 8)
        .save(photos.join("tiny.png"))
        .unwrap();

    let found = FaceBoxes::detect(&photos, &detector(), &|_, _, _| {}).unwrap();
    assert_eq!(found.without, ["none.png", "tiny.png"]);
    assert_eq!(found.boxes.len(), 1);
    let file = dir.path().join("boxes.json");
    found.boxes.write(&file).unwrap();
    let boxes = FaceBoxes::read(&file).unwrap();
    assert_eq!(boxes, found.boxes);

    std::fs::remove_file(photos.join("none.png")).unwrap();
    std::fs::remove_file(photos.join("tiny.png")).unwrap();
    for name in ["two.png", "three.png"] {
        std::fs::copy(photos.join("one.png"), photos.join(name)).unwrap();
    }
    let found = FaceBoxes::detect(&photos, &detector(), &|_, _, _| {}).unwrap();
    let settings = PrepareSettings {
        size: 64,
        crop: Crop::Face {
            boxes: found.boxes,
            margin: 1.5,
        },
        ..PrepareSettings::default()
    };
    let planned = plan(&photos, &settings).unwrap();
    let manifest = prepare(&planned, &dir.path().join("out"), &settings, &|_, _| {}).unwrap();
    for photo in manifest.photos {
        let (x, _, side) = photo.crop;
        // The face's middle is at about 260 of 1600, and the picture's at 800.
        let middle = x + side / 2;
        assert!(
            (180..340).contains(&middle) && side < 460,
            "{:?}",
            photo.crop
        );
    }
}

#[test]
fn other_files_are_refused_as_models() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.bin");
    assert!(matches!(
        SeetaDetector::open(&path),
        Err(Error::File(FileError::WholeFile(_)))
    ));
    let good = std::fs::read(model()).unwrap();
    let mut changed = good.clone();
    changed[1000] ^= 1;
    let long = [&good[..], b"x"].concat();
    for bytes in [
        &b""[..],
        b"\xff\xff\xff\x7f",
        &good[..5000],
        &changed,
        &long,
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = SeetaDetector::open(&path).unwrap_err().to_string();
        assert!(error.contains("model.bin"), "{error}");
    }
}
