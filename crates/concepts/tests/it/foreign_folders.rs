//! Folders as people have them: other formats, names of other systems, leftovers, cut files.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use concepts::images::{ImageError, read_image};
use concepts::pairs::{Aligned, read_aligned};
use concepts::prepare::{FaceBoxes, Grouping, Identities, PrepareSettings, plan};
use concepts::{Error, Pair, read_pair_splits, read_pairs, read_photos, write_pairs};
use image::{Rgb, RgbImage};
use log::{Log, Metadata, Record};
use resumable_runs::sha256_hex;

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() == log::Level::Warn
    }

    fn log(&self, record: &Record) {
        WARNINGS.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// The warnings about `dir` that `read` causes.
fn warnings<T>(dir: &Path, read: impl FnOnce() -> T) -> (T, Vec<String>) {
    // Once in the process.
    let _ = log::set_logger(&Collector);
    log::set_max_level(log::LevelFilter::Warn);
    let result = read();
    let dir = dir.to_str().unwrap();
    let all = WARNINGS.lock().unwrap();
    let ours = all.iter().filter(|text| text.contains(dir));
    (result, ours.cloned().collect())
}

fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 3 + seed) as u8, (y * 5) as u8, ((x + y) * seed) as u8])
    })
}

fn save(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(8, 8, 1).save(path).unwrap();
}

/// A file whose name alone matters.
fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "some bytes").unwrap();
}

#[test]
fn a_partner_in_another_format_is_named() {
    for (read, other) in [("input", "target"), ("target", "input")] {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..3 {
            save(&dir.path().join(read).join(format!("p{i}.png")));
            touch(&dir.path().join(other).join(format!("p{i}.bmp")));
        }
        let error = read_pairs(dir.path(), 8).unwrap_err();
        assert!(matches!(error, Error::UnreadPartner { .. }), "{error}");
        let text = error.to_string();
        for word in ["p0.bmp", "p0.png", "not read", "convert", "3 bmp"] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn skipped_formats_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    for side in ["input", "target"] {
        save(&dir.path().join(side).join("a.png"));
        for name in ["b.tif", "c.TIF", "d.gif"] {
            touch(&dir.path().join(side).join(name));
        }
    }
    let (pairs, said) = warnings(dir.path(), || read_pairs(dir.path(), 8));
    assert_eq!(pairs.unwrap().len(), 1);
    assert_eq!(said.len(), 2, "{said:?}");
    for text in &said {
        let expected =
            "skipped 3 images in formats that are not read (1 gif, 2 tif), such as b.tif";
        assert!(text.contains(expected), "{text}");
    }
    let photos = dir.path().join("input");
    let (read, said) = warnings(&photos, || read_photos(&photos, 8));
    // Of one folder, once.
    assert_eq!((read.unwrap().len(), said.len()), (1, 1), "{said:?}");
    let settings = PrepareSettings {
        grouping: Grouping::File,
        ..PrepareSettings::default()
    };
    save(&photos.join("b.png"));
    save(&photos.join("c.png"));
    let (planned, said) = warnings(&photos, || plan(&photos, &settings));
    assert_eq!((planned.unwrap().len(), said.len()), (3, 1), "{said:?}");
    // More of them are told.
    touch(&photos.join("e.bmp"));
    let (read, said) = warnings(&photos, || read_photos(&photos, 8));
    assert_eq!((read.unwrap().len(), said.len()), (3, 2), "{said:?}");
}

#[test]
fn folders_of_other_formats_alone_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for side in ["input", "target"] {
        touch(&dir.path().join(side).join("a.tif"));
        touch(&dir.path().join(side).join("b.heic"));
    }
    let input = dir.path().join("input");
    for error in [
        read_pairs(dir.path(), 8).unwrap_err(),
        read_pairs(&input, 8).unwrap_err(),
        read_aligned(&input, 8, Aligned::TargetLeft).unwrap_err(),
        read_photos(&input, 8).unwrap_err(),
        plan(&input, &PrepareSettings::default()).unwrap_err(),
    ] {
        assert!(matches!(error, Error::OnlyUnread { .. }), "{error}");
        assert!(error.to_string().contains("1 heic, 1 tif"), "{error}");
    }
}

#[test]
fn names_are_compared_as_they_look() {
    let dir = tempfile::tempdir().unwrap();
    // As macOS and as Linux write it.
    save(&dir.path().join("input/Zoe\u{308}-cafe\u{301}.png"));
    save(&dir.path().join("target/Zoë-café.png"));
    let pairs = read_pairs(dir.path(), 8).unwrap();
    let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
    assert_eq!(names, ["Zoë-café"]);
    let photos = read_photos(&dir.path().join("input"), 8).unwrap();
    assert_eq!(photos[0].name(), "Zoë-café");
    // Both in one folder are one name.
    save(&dir.path().join("input/Zoë-café.png"));
    let error = read_pairs(dir.path(), 8).unwrap_err();
    assert!(matches!(error, Error::DuplicateStem { .. }), "{error}");
}

#[test]
fn boxes_and_people_are_found_as_names_look() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("photos/cafe\u{301}.png"));
    for name in ["a", "b"] {
        save(&dir.path().join(format!("photos/{name}.png")));
    }
    let people = dir.path().join("people.json");
    fs::write(
        &people,
        "{\"café.png\": \"ann\", \"a\": \"ann\", \"b\": \"bob\"}",
    )
    .unwrap();
    let settings = PrepareSettings {
        identities: Identities::read(&people).unwrap(),
        fractions: concepts::prepare::Fractions {
            validation: 0.0,
            test: 0.1,
        },
        ..PrepareSettings::default()
    };
    let planned = plan(&dir.path().join("photos"), &settings).unwrap();
    assert_eq!(planned.iter().filter(|p| p.group == "ann").count(), 2);
    assert_eq!(planned[2].name, "café");
    let boxes = dir.path().join("boxes.json");
    fs::write(
        &boxes,
        "{\"cafe\u{301}\": [0, 0, 4, 4], \"a\": [0, 0, 4, 4], \"b\": [0, 0, 4, 4]}",
    )
    .unwrap();
    let settings = PrepareSettings {
        crop: concepts::prepare::Crop::Face {
            boxes: FaceBoxes::read(&boxes).unwrap(),
            margin: 1.0,
        },
        ..settings
    };
    assert_eq!(
        plan(&dir.path().join("photos"), &settings).unwrap().len(),
        3
    );
}

#[test]
fn dots_in_names_and_capitals_make_different_names() {
    let dir = tempfile::tempdir().unwrap();
    for side in ["input", "target"] {
        for name in ["cat.v1.jpg", "cat.v2.jpg", "Dog.png", "dog.png"] {
            save(&dir.path().join(side).join(name));
        }
    }
    let pairs = read_pairs(dir.path(), 8).unwrap();
    let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
    assert_eq!(names, ["Dog", "cat.v1", "cat.v2", "dog"]);
    // Written and read once more.
    let again = dir.path().join("again");
    write_pairs(&again, &pairs).unwrap();
    assert_eq!(read_pairs(&again, 8).unwrap(), pairs);

    fs::remove_file(dir.path().join("target/Dog.png")).unwrap();
    let error = read_pairs(dir.path(), 8).unwrap_err().to_string();
    assert!(
        error.contains("Dog.png") && error.contains("\"dog\""),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    for byte in [0xe9, 0xe8] {
        let name = [b"caf", &[byte][..], b".png"].concat();
        picture(8, 8, 1)
            .save_with_format(
                dir.path().join(OsStr::from_bytes(&name)),
                image::ImageFormat::Png,
            )
            .unwrap();
    }
    for error in [
        read_photos(dir.path(), 8).unwrap_err(),
        read_pairs(dir.path(), 8).unwrap_err(),
        plan(dir.path(), &PrepareSettings::default()).unwrap_err(),
    ] {
        assert!(
            matches!(error, Error::Image(ImageError::NotUnicode { .. })),
            "{error}"
        );
    }
}

#[test]
fn leftovers_of_systems_are_no_images() {
    let dir = tempfile::tempdir().unwrap();
    let pair = Pair {
        name: "a".to_owned(),
        input: picture(8, 8, 1),
        target: picture(8, 8, 2),
    };
    write_pairs(dir.path(), std::slice::from_ref(&pair)).unwrap();
    for name in [
        "input/._a.png",
        "input/.ipynb_checkpoints/a-checkpoint.png",
        "target/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
        "target/Thumbs.db",
        "__MACOSX/input/._a.png",
    ] {
        touch(&dir.path().join(name));
    }
    let (pairs, said) = warnings(dir.path(), || read_pairs(dir.path(), 8));
    assert_eq!(pairs.unwrap(), [pair]);
    assert!(said.is_empty(), "{said:?}");
    assert_eq!(read_photos(&dir.path().join("input"), 8).unwrap().len(), 1);
}

#[test]
fn a_cut_photo_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("holiday.jpg");
    picture(64, 48, 7).save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for percent in [30, 50, 90] {
        fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
        let error = read_photos(dir.path(), 8).unwrap_err();
        assert!(
            matches!(error, Error::Image(ImageError::Cut { .. })),
            "{error}"
        );
        assert!(error.to_string().contains("holiday.jpg"), "{error}");
    }
}

#[test]
fn validation_pairs_do_where_there_are_no_test_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = |name: &str| {
        [Pair {
            name: name.to_owned(),
            input: picture(8, 8, 1),
            target: picture(8, 8, 2),
        }]
    };
    for split in ["train", "val"] {
        write_pairs(&dir.path().join(split), &pairs(split)).unwrap();
    }
    let splits = read_pair_splits(dir.path(), 8).unwrap().unwrap();
    assert_eq!(
        (splits.train, splits.val),
        (pairs("train").into(), pairs("val").into())
    );
    assert!(splits.test.is_empty());
}

#[test]
fn numbered_files_are_said_to_be_one_photograph() {
    let dir = tempfile::tempdir().unwrap();
    for i in 1..=12 {
        touch(&dir.path().join(format!("holiday-{i:03}.jpg")));
    }
    let error = plan(dir.path(), &PrepareSettings::default())
        .unwrap_err()
        .to_string();
    for word in [
        "1 source,",
        "12 files are named holiday-NN",
        "one photograph",
        "--group-by file",
        "--identities",
    ] {
        assert!(error.contains(word), "{word}: {error}");
    }
    let each = PrepareSettings {
        grouping: Grouping::File,
        ..PrepareSettings::default()
    };
    let planned = plan(dir.path(), &each).unwrap();
    assert!(planned.iter().all(|photo| photo.group == photo.name));
    // People are no crops of one photograph.
    let people = dir.path().join("people.json");
    let named: Vec<String> = (1..=12)
        .map(|i| format!("\"holiday-{i:03}\": \"ann\""))
        .collect();
    fs::write(&people, format!("{{{}}}", named.join(", "))).unwrap();
    let settings = PrepareSettings {
        identities: Identities::read(&people).unwrap(),
        ..PrepareSettings::default()
    };
    let error = plan(dir.path(), &settings).unwrap_err().to_string();
    assert!(!error.contains("-NN"), "{error}");
}

/// Shipped results were computed on these pixels.
#[test]
fn shipped_photos_have_their_pixels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/photos");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .collect();
    paths.sort();
    let pixels: Vec<u8> = paths
        .iter()
        .flat_map(|path| read_image(path).unwrap().into_raw())
        .collect();
    assert_eq!(paths.len(), 1186);
    assert_eq!(
        sha256_hex(&pixels),
        "a4a204e58c37bddf53c9365c558cb22b0512fea6cb5c0e2167ad5937abcae614"
    );
}
