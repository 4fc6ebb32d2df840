//! Photo preparation: crops, splits, manifests, hostile files; aligned pairs both ways; WebDataset shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use concepts::pairs::{Aligned, read_aligned, write_aligned};
use concepts::prepare::{
    Crop, FaceBoxes, Fractions, Identities, Manifest, PrepareSettings, plan, prepare,
};
use concepts::{Error, Pair, Split, read_pairs, read_photos};
use image::{Rgb, RgbImage};

fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 3 + seed) as u8, (y * 5) as u8, ((x + y) * seed) as u8])
    })
}

fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (index, name) in names.iter().enumerate() {
        picture(80, 60, index as u32)
            .save(dir.path().join(name))
            .unwrap();
    }
    dir
}

fn small() -> PrepareSettings {
    PrepareSettings {
        size: 32,
        fractions: Fractions {
            validation: 0.25,
            test: 0.25,
        },
        ..PrepareSettings::default()
    }
}

#[test]
fn photos_become_squares_with_a_manifest() {
    let names = ["a-01.png", "a-02.png", "b-01.png", "c.png", "d.png"];
    let (dir, out) = (folder(&names), tempfile::tempdir().unwrap());
    let settings = small();
    let planned = plan(dir.path(), &settings).unwrap();
    let manifest = prepare(&planned, out.path(), &settings, &|_, _| {}).unwrap();
    assert_eq!(
        Manifest::read(&out.path().join("manifest.json")).unwrap(),
        manifest
    );
    // Four photographs: one for validation, one for test.
    let groups = |split| -> BTreeSet<&str> {
        manifest
            .photos
            .iter()
            .filter(|p| p.split == split)
            .map(|p| p.group.as_str())
            .collect()
    };
    assert_eq!(
        (
            groups(Split::Train).len(),
            groups(Split::Validation).len(),
            groups(Split::Test).len()
        ),
        (2, 1, 1)
    );
    for photo in &manifest.photos {
        let name = match photo.split {
            Split::Train => "train",
            Split::Validation => "val",
            Split::Test => "test",
        };
        assert_eq!(photo.crop, (10, 0, 60));
        // The same pixels as the rest of the crate reads.
        let file = out.path().join(name).join(format!("{}.png", photo.name));
        let read = image::open(file).unwrap().into_rgb8();
        let direct = read_photos(dir.path(), 32).unwrap();
        let direct = direct
            .iter()
            .find(|p| p.path.ends_with(&photo.source_file))
            .unwrap();
        assert_eq!(read, direct.image);
        assert_eq!(photo.sha256.len(), 64);
    }
    // Once more, with the same result.
    assert_eq!(
        prepare(&planned, out.path(), &settings, &|_, _| {}).unwrap(),
        manifest
    );
    // Another split in the same folder would put photos on both sides.
    let other = (1..50)
        .map(|seed| PrepareSettings { seed, ..small() })
        .find(|settings| plan(dir.path(), settings).unwrap() != planned)
        .unwrap();
    let planned = plan(dir.path(), &other).unwrap();
    let error = prepare(&planned, out.path(), &other, &|_, _| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("another run"), "{error}");
}

#[test]
fn faces_are_cropped_where_they_are() {
    let (dir, out) = (
        folder(&["a.png", "b.png", "c.png"]),
        tempfile::tempdir().unwrap(),
    );
    let boxes = dir.path().join("boxes.json");
    fs::write(
        &boxes,
        "{\"a.png\": [20, 10, 8, 10], \"b\": [0, 0, 8, 10], \"c\": [70, 50, 10, 10]}",
    )
    .unwrap();
    let settings = PrepareSettings {
        size: 16,
        crop: Crop::Face {
            boxes: FaceBoxes::read(&boxes).unwrap(),
            margin: 1.6,
        },
        fractions: Fractions {
            validation: 0.0,
            test: 0.0,
        },
        ..PrepareSettings::default()
    };
    let planned = plan(dir.path(), &settings).unwrap();
    let manifest = prepare(&planned, out.path(), &settings, &|_, _| {}).unwrap();
    let crops: Vec<_> = manifest.photos.iter().map(|p| p.crop).collect();
    assert_eq!(crops, [(16, 7, 16), (0, 0, 16), (64, 44, 16)]);
    let cut = image::open(out.path().join("train/a.png"))
        .unwrap()
        .into_rgb8();
    assert_eq!(cut.get_pixel(0, 0), picture(80, 60, 0).get_pixel(16, 7));

    picture(9, 9, 1)
        .save(dir.path().join("nobody.png"))
        .unwrap();
    let error = plan(dir.path(), &settings).unwrap_err().to_string();
    assert!(error.contains("nobody.png"), "{error}");
    for bad in [
        "[]",
        "{\"a\": [1, 2, 0, 4]}",
        "{\"a\": [1, 2, 3]}",
        "{\"a\": [1e999, 2, 3, 4]}",
    ] {
        fs::write(&boxes, bad).unwrap();
        assert!(FaceBoxes::read(&boxes).is_err(), "{bad}");
    }
}

#[test]
fn people_stay_together() {
    let dir = folder(&["x.png", "y.png", "z.png", "w.png"]);
    let file = dir.path().join("people.json");
    fs::write(
        &file,
        "{\"x.png\": \"ann\", \"y\": \"ann\", \"z\": \"bob\"}",
    )
    .unwrap();
    let settings = PrepareSettings {
        identities: Identities::read(&file).unwrap(),
        ..small()
    };
    let planned = plan(dir.path(), &settings).unwrap();
    let groups: BTreeMap<&str, &str> = planned
        .iter()
        .map(|p| (p.name.as_str(), p.group.as_str()))
        .collect();
    assert_eq!(
        groups,
        [("w", "w"), ("x", "ann"), ("y", "ann"), ("z", "bob")].into()
    );
}

#[test]
fn hostile_photos_are_named() {
    let settings = small();
    let out = tempfile::tempdir().unwrap();
    let check = |dir: &Path, word: &str| {
        let planned = plan(dir, &settings).unwrap();
        let error = prepare(&planned, out.path(), &settings, &|_, _| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
        // No manifest says that this is complete.
        assert!(!out.path().join("manifest.json").exists());
    };
    let names = ["a.png", "b.png", "c.png"];
    let dir = folder(&names);
    fs::write(dir.path().join("b.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    check(dir.path(), "b.png");
    // 30,000 x 30,000 pixels, says the header of a PNG of 57 bytes.
    let mut header =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x75\x30\0\0\x75\x30\x08\x02\0\0\0".to_vec();
    let mut crc = u32::MAX;
    for byte in &header[12..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    header.extend((!crc).to_be_bytes());
    header.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    fs::write(dir.path().join("b.png"), header).unwrap();
    check(dir.path(), "too large");
    fs::write(dir.path().join("b.jpg"), b"").unwrap();
    assert!(matches!(
        plan(dir.path(), &settings),
        Err(Error::DuplicateStem { .. })
    ));
}

#[test]
fn aligned_pairs_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let pairs: Vec<Pair> = ["a", "b"]
        .map(|name| Pair {
            name: name.to_owned(),
            input: picture(16, 16, 1),
            target: picture(16, 16, 9),
        })
        .into();
    let swapped: Vec<Pair> = pairs
        .iter()
        .map(|p| Pair {
            name: p.name.clone(),
            input: p.target.clone(),
            target: p.input.clone(),
        })
        .collect();
    for (order, other) in [
        (Aligned::InputLeft, Aligned::TargetLeft),
        (Aligned::TargetLeft, Aligned::InputLeft),
    ] {
        let dir = dir.path().join(format!("{order:?}"));
        write_aligned(&dir, &pairs, order).unwrap();
        assert_eq!(image::open(dir.join("a.png")).unwrap().width(), 32);
        assert_eq!(read_aligned(&dir, 16, order).unwrap(), pairs);
        assert_eq!(read_aligned(&dir, 16, other).unwrap(), swapped);
        let plain = read_pairs(&dir, 16).unwrap();
        assert_eq!(plain == pairs, order == Aligned::InputLeft);
    }
    let mut bad = pairs.clone();
    bad[0].input = picture(8, 9, 1);
    bad[0].target = picture(8, 9, 1);
    assert!(matches!(
        write_aligned(dir.path(), &bad, Aligned::InputLeft),
        Err(Error::NotAligned { .. })
    ));
    bad = pairs.clone();
    bad[1].name = "../b".to_owned();
    assert!(matches!(
        write_aligned(dir.path(), &bad, Aligned::InputLeft),
        Err(Error::BadName { .. })
    ));
}

#[test]
fn prepared_photos_replace_none_of_the_originals() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("train");
    fs::create_dir(&photos).unwrap();
    let names = ["a.png", "b.png", "c.png", "d.png"];
    for (index, name) in (0..).zip(names) {
        picture(80, 60, index).save(photos.join(name)).unwrap();
    }
    let before = names.map(|name| fs::read(photos.join(name)).unwrap());
    let planned = plan(&photos, &small()).unwrap();
    let error = prepare(&planned, dir.path(), &small(), &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains("which is read"), "{error}");
    assert_eq!(
        names.map(|name| fs::read(photos.join(name)).unwrap()),
        before
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is created"
    );
    // Below the folder of the photos there is room, also the second time.
    for _ in 0..2 {
        prepare(&planned, &photos.join("prepared"), &small(), &|_, _| {}).unwrap();
    }
}
