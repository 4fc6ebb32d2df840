//! Photos and pairs on disk: round trips, layouts, and what every error names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use concepts::images::ImageError;
use concepts::{
    Error, FileError, Pair, Photo, read_pair_splits, read_pairs, read_photos, split_by_source,
    write_pairs,
};
use image::{Rgb, RgbImage, Rgba, RgbaImage};

fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let value = (x * 7 + y * 13 + seed * 31) ^ (x * y);
        Rgb([value as u8, (value >> 2) as u8, (x + y + seed) as u8])
    })
}

fn pair(name: &str, side: u32) -> Pair {
    Pair {
        name: name.to_owned(),
        input: picture(side, side, 1),
        target: picture(side, side, 2),
    }
}

fn save(path: &Path, width: u32, height: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(width, height, 3).save(path).unwrap();
}

/// A PNG whose header is intact and announces this size; no pixels follow.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 2, 0, 0, 0]);
    let mut crc = u32::MAX;
    for byte in &bytes[12..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    bytes.extend((!crc).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
    bytes
}

#[test]
fn pairs_come_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = [pair("a", 64), pair("b.with.dots", 64), pair("c é", 64)];
    write_pairs(dir.path(), &pairs).unwrap();
    assert_eq!(read_pairs(dir.path(), 64).unwrap(), pairs);
    // Writing again replaces, and nothing else lies there.
    write_pairs(dir.path(), &pairs).unwrap();
    for folder in ["input", "target"] {
        assert_eq!(fs::read_dir(dir.path().join(folder)).unwrap().count(), 3);
    }
}

#[test]
fn pairs_are_cropped_to_the_centre_and_resized_alike() {
    let dir = tempfile::tempdir().unwrap();
    // Red, then 40 columns of green, then blue.
    let flag = RgbImage::from_fn(80, 40, |x, _| match x {
        0..20 => Rgb([255, 0, 0]),
        20..60 => Rgb([0, 255, 0]),
        _ => Rgb([0, 0, 255]),
    });
    for folder in ["input", "target"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        flag.save(dir.path().join(folder).join("flag.png")).unwrap();
    }
    let pairs = read_pairs(dir.path(), 16).unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!(
        pairs[0].input,
        RgbImage::from_pixel(16, 16, Rgb([0, 255, 0]))
    );
    assert_eq!(pairs[0].input, pairs[0].target);
}

#[test]
fn resizing_is_antialiased() {
    let dir = tempfile::tempdir().unwrap();
    RgbImage::from_fn(128, 128, |x, _| Rgb([255 * (x % 2) as u8; 3]))
        .save(dir.path().join("stripes.png"))
        .unwrap();
    let photos = read_photos(dir.path(), 32).unwrap();
    let middle = photos[0].image.get_pixel(16, 16).0[0];
    assert!((118..=138).contains(&middle), "{middle}");
}

#[test]
fn aligned_files_are_cut_in_two() {
    let dir = tempfile::tempdir().unwrap();
    let both = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 10 } else { 200 }; 3]));
    both.save(dir.path().join("1.png")).unwrap();
    fs::write(dir.path().join("notes.txt"), "not an image").unwrap();
    let pairs = read_pairs(dir.path(), 16).unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].name, "1");
    assert_eq!(pairs[0].input, RgbImage::from_pixel(16, 16, Rgb([10; 3])));
    assert_eq!(pairs[0].target, RgbImage::from_pixel(16, 16, Rgb([200; 3])));

    // As pix2pix does, any even width is cut in the middle; the halves are cropped as photos are.
    let both = RgbImage::from_fn(60, 20, |x, _| Rgb([if x < 30 { 10 } else { 200 }; 3]));
    both.save(dir.path().join("2.png")).unwrap();
    let pair = read_pairs(dir.path(), 16).unwrap().remove(1);
    assert_eq!(pair.input, RgbImage::from_pixel(16, 16, Rgb([10; 3])));
    assert_eq!(pair.target, RgbImage::from_pixel(16, 16, Rgb([200; 3])));

    // An odd width has no middle, and a single photo, even a wide one, is no two pictures.
    for size in [(33, 16), (16, 16), (28, 16)] {
        save(&dir.path().join("3.png"), size.0, size.1);
        match read_pairs(dir.path(), 16).unwrap_err() {
            Error::NotAligned {
                path,
                width,
                height,
            } => {
                assert!(path.ends_with("3.png"));
                assert_eq!((width, height), size);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn split_folders_are_read_if_present() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(dir.path(), &[pair("x", 8)]).unwrap();
    assert_eq!(read_pair_splits(dir.path(), 8).unwrap(), None);

    write_pairs(&dir.path().join("train"), &[pair("a", 8), pair("b", 8)]).unwrap();
    match read_pair_splits(dir.path(), 8).unwrap_err() {
        Error::MissingFolder { path } => assert!(path.ends_with("test")),
        other => panic!("{other}"),
    }
    write_pairs(&dir.path().join("test"), &[pair("c", 8)]).unwrap();
    let splits = read_pair_splits(dir.path(), 8).unwrap().unwrap();
    assert_eq!(
        (splits.train.len(), splits.val.len(), splits.test.len()),
        (2, 0, 1)
    );
    write_pairs(&dir.path().join("val"), &[pair("d", 8)]).unwrap();
    assert_eq!(
        read_pair_splits(dir.path(), 8).unwrap().unwrap().val,
        [pair("d", 8)]
    );

    let missing = read_pair_splits(&dir.path().join("nowhere"), 8).unwrap_err();
    assert!(matches!(missing, Error::MissingFolder { .. }), "{missing}");
}

#[test]
fn missing_and_empty_folders_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = read_pairs(dir.path(), 8).unwrap_err();
    assert!(matches!(&pairs, Error::NoPairs { folders, .. } if folders.is_empty()));
    let photos = read_photos(dir.path(), 8).unwrap_err();
    assert!(matches!(photos, Error::EmptyFolder { .. }), "{photos}");
    for error in [pairs, photos] {
        assert!(
            error.to_string().contains(dir.path().to_str().unwrap()),
            "{error}"
        );
    }
    let nowhere = dir.path().join("nowhere");
    for error in [
        read_pairs(&nowhere, 8).unwrap_err(),
        read_photos(&nowhere, 8).unwrap_err(),
    ] {
        assert!(matches!(error, Error::MissingFolder { .. }), "{error}");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
    fs::create_dir(dir.path().join("input")).unwrap();
    fs::create_dir(dir.path().join("targets")).unwrap();
    let error = read_pairs(dir.path(), 8).unwrap_err();
    assert!(matches!(error, Error::NoPairs { .. }), "{error}");
    for part in ["input and ", "target, under equal names", "input, targets"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    fs::create_dir(dir.path().join("target")).unwrap();
    let error = read_pairs(dir.path(), 8).unwrap_err();
    assert!(matches!(error, Error::EmptyFolder { .. }), "{error}");
}

#[test]
fn a_file_without_a_partner_is_named_on_either_side() {
    for (alone, folder) in [("input", "target"), ("target", "input")] {
        let dir = tempfile::tempdir().unwrap();
        write_pairs(dir.path(), &[pair("a", 8)]).unwrap();
        save(&dir.path().join(alone).join("b.png"), 8, 8);
        match read_pairs(dir.path(), 8).unwrap_err() {
            Error::MissingPartner {
                path,
                folder: searched,
                similar: None,
            } => {
                assert!(path.ends_with(format!("{alone}/b.png")));
                assert!(searched.ends_with(folder));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn two_files_of_one_stem_are_both_named() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(dir.path(), &[pair("a", 8)]).unwrap();
    save(&dir.path().join("target/a.jpg"), 8, 8);
    match read_pairs(dir.path(), 8).unwrap_err() {
        Error::DuplicateStem { first, second } => {
            assert!(first.ends_with("a.jpg") && second.ends_with("a.png"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn images_of_a_pair_must_have_the_same_proportions() {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(dir.path(), &[pair("a", 8)]).unwrap();
    save(&dir.path().join("target/a.png"), 8, 9);
    match read_pairs(dir.path(), 8).unwrap_err() {
        Error::PairSize {
            input_size: (8, 8),
            target_size: (8, 9),
            input,
            target,
        } => {
            assert!(input.ends_with("input/a.png") && target.ends_with("target/a.png"));
        }
        other => panic!("{other}"),
    }
    // An edit of another size is scaled to the same square; proportions may differ by 1 %.
    for (wide, high) in [(16, 16), (400, 403)] {
        save(&dir.path().join("target/a.png"), wide, high);
        let pairs = read_pairs(dir.path(), 8).unwrap();
        assert_eq!(pairs[0].target.dimensions(), (8, 8));
    }
    // Different pairs may have different sizes.
    write_pairs(dir.path(), &[pair("a", 8), pair("b", 24)]).unwrap();
    assert_eq!(read_pairs(dir.path(), 8).unwrap().len(), 2);
}

#[test]
fn unreadable_images_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.png");
    save(&whole, 32, 32);
    let bytes = fs::read(&whole).unwrap();
    fs::remove_file(&whole).unwrap();
    for (name, content) in [
        ("text.png", b"not an image".to_vec()),
        ("empty.jpg", Vec::new()),
        ("cut.png", bytes[..bytes.len() / 2].to_vec()),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let error = read_photos(dir.path(), 8).unwrap_err();
        assert!(
            matches!(error, Error::Image(ImageError::Decode { .. })),
            "{error}"
        );
        assert!(error.to_string().contains(name), "{error}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn oversized_headers_are_refused_before_decoding() {
    let dir = tempfile::tempdir().unwrap();
    // Too long a side; then fair sides with 768 MiB of pixels.
    for (width, height) in [(16_385, 1), (1, 2_000_000_000), (16_384, 16_384)] {
        fs::write(dir.path().join("huge.png"), png_header(width, height)).unwrap();
        let error = read_photos(dir.path(), 8).unwrap_err();
        assert!(
            matches!(error, Error::Image(ImageError::TooLarge { .. })),
            "{width}x{height}: {error}"
        );
        assert!(error.to_string().contains("huge.png"), "{error}");
    }
}

#[test]
fn a_header_that_its_file_cannot_fill_is_refused_before_decoding() {
    let dir = tempfile::tempdir().unwrap();
    // A file of 57 bytes that claims 300 MB.
    fs::write(dir.path().join("a.png"), png_header(10_000, 10_000)).unwrap();
    let error = read_photos(dir.path(), 8).unwrap_err();
    assert!(
        matches!(error, Error::Image(ImageError::Truncated { .. })),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("a.png") && text.contains("cannot hold"),
        "{text}"
    );
    // A uniform picture, which compresses best, passes.
    let plain = RgbImage::new(4000, 4000);
    plain.save(dir.path().join("a.png")).unwrap();
    assert_eq!(read_photos(dir.path(), 8).unwrap().len(), 1);
}

#[test]
fn invalid_sizes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("a.png"), 8, 8);
    for size in [0, 16_385, usize::MAX] {
        let error = read_photos(dir.path(), size).unwrap_err();
        assert!(matches!(error, Error::BadSize { .. }), "{error}");
        let error = read_pairs(dir.path(), size).unwrap_err();
        assert!(matches!(error, Error::BadSize { .. }), "{error}");
    }
}

#[test]
fn bad_pairs_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for name in [
        "", ".", "..", ".hidden", "a/b", "../a", "a\\b", "a\0b", "a\nb",
    ] {
        let error = write_pairs(&out, &[pair("fine", 8), pair(name, 8)]).unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{name:?}: {error}");
    }
    let error = write_pairs(&out, &[pair("a", 8), pair("a", 8)]).unwrap_err();
    assert!(matches!(error, Error::BadName { .. }), "{error}");
    let mixed = Pair {
        target: picture(8, 9, 0),
        ..pair("a", 8)
    };
    let error = write_pairs(&out, &[mixed]).unwrap_err();
    assert!(matches!(error, Error::PairSize { .. }), "{error}");
    let error = write_pairs(&out, &[pair("a", 0)]).unwrap_err();
    assert!(matches!(error, Error::NoPixels { .. }), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_file_in_place_of_the_folder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = write_pairs(&file, &[pair("a", 8)]).unwrap_err();
    assert!(
        matches!(error, Error::File(FileError::Io { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("file"), "{error}");
    let error = read_photos(&file, 8).unwrap_err();
    assert!(
        matches!(error, Error::Image(ImageError::Io { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn photos_are_sorted_and_know_their_source() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["lake-b-01.png", "lake-b-00.jpg", "hut.webp", "LAKE-02.JPEG"] {
        save(&dir.path().join(name), 12, 10);
    }
    fs::write(dir.path().join("README.md"), "photos").unwrap();
    fs::write(dir.path().join(".hidden.png"), "half a file").unwrap();
    fs::create_dir(dir.path().join("folder.png")).unwrap();
    let photos = read_photos(dir.path(), 6).unwrap();
    let sources: Vec<&str> = photos.iter().map(|p| p.source.as_str()).collect();
    assert_eq!(sources, ["LAKE", "hut", "lake-b", "lake-b"]);
    assert!(photos[2].path.ends_with("lake-b-00.jpg"));
    assert!(photos.iter().all(|p| p.image.dimensions() == (6, 6)));
}

#[test]
fn grey_and_transparent_images_become_rgb() {
    let dir = tempfile::tempdir().unwrap();
    image::GrayImage::from_pixel(4, 4, image::Luma([77]))
        .save(dir.path().join("a.png"))
        .unwrap();
    RgbaImage::from_pixel(4, 4, Rgba([200, 0, 0, 0]))
        .save(dir.path().join("b.png"))
        .unwrap();
    RgbaImage::from_pixel(4, 4, Rgba([200, 0, 0, 255]))
        .save(dir.path().join("c.png"))
        .unwrap();
    let photos = read_photos(dir.path(), 4).unwrap();
    let first = |i: usize| photos[i].image.get_pixel(0, 0).0;
    assert_eq!(
        [first(0), first(1), first(2)],
        [[77; 3], [255; 3], [200, 0, 0]]
    );
}

fn photos(sources: usize, crops: usize) -> Vec<Photo> {
    (0..sources * crops)
        .map(|i| Photo {
            path: format!("{i}.png").into(),
            source: format!("photo-{}", i % sources),
            image: RgbImage::new(1, 1),
        })
        .collect()
}

#[test]
fn no_source_is_in_two_parts_of_a_split() {
    let photos = photos(16, 5);
    for seed in 0..50 {
        let split = split_by_source(&photos, 2, 3, seed).unwrap();
        let sources = |part: &[usize]| -> BTreeSet<&str> {
            part.iter().map(|&i| photos[i].source.as_str()).collect()
        };
        let parts = [
            sources(&split.train),
            sources(&split.validation),
            sources(&split.test),
        ];
        assert_eq!([parts[0].len(), parts[1].len(), parts[2].len()], [11, 2, 3]);
        assert!(parts[0].is_disjoint(&parts[1]));
        assert!(parts[0].is_disjoint(&parts[2]));
        assert!(parts[1].is_disjoint(&parts[2]));
        // The first photos of a part are of different sources.
        assert_eq!(sources(&split.train[..11]).len(), 11);
        assert_eq!(sources(&split.train[11..22]).len(), 11);
        assert_eq!(sources(&split.test[..3]).len(), 3);
        let mut all = [split.train, split.validation, split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..80).collect::<Vec<_>>());
    }
}

#[test]
fn a_split_follows_the_seed_and_not_the_order_of_photos() {
    let photos = photos(16, 2);
    let held_out = |photos: &[Photo], seed| -> BTreeSet<String> {
        let split = split_by_source(photos, 0, 4, seed).unwrap();
        split
            .test
            .iter()
            .map(|&i| photos[i].source.clone())
            .collect()
    };
    let reversed: Vec<Photo> = photos.iter().rev().cloned().collect();
    assert_eq!(held_out(&photos, 5), held_out(&reversed, 5));
    assert_eq!(held_out(&photos, 5), held_out(&photos, 5));
    assert!((0..10).any(|seed| held_out(&photos, seed) != held_out(&photos, 5)));
}

#[test]
fn too_few_sources_are_refused() {
    let photos = photos(5, 3);
    assert!(split_by_source(&photos, 2, 2, 0).is_ok());
    for (validation, test) in [(2, 3), (0, 5), (usize::MAX, usize::MAX)] {
        match split_by_source(&photos, validation, test, 0).unwrap_err() {
            Error::NotEnoughSources {
                found: 5,
                largest: Some((_, 3)),
                ..
            } => {}
            other => panic!("{other}"),
        }
    }
    assert!(split_by_source(&[], 0, 0, 0).is_err());
}
