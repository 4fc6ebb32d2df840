//! Editing runs, the choice of the best editor, its contact sheet.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use concepts::{ImageEditor, read_pairs, write_pairs};
use image::{Rgb, RgbImage, imageops};
use image_editors::Error;
use image_editors::quality::{NoReference, QualityScore};
use image_editors::run::{
    BestEdits, Choice, EditConcept, EditRecord, EditRun, EditSettings, NamedImage,
};
use serde_json::{Value, json};

/// Marks its edits with the seed, and fails for the photo whose first pixel is `fails_at`.
struct Fake {
    name: &'static str,
    blur: f32,
    version: u32,
    calls: AtomicUsize,
    fails_at: Option<u8>,
}

impl Fake {
    fn new(name: &'static str, blur: f32) -> Self {
        Self {
            name,
            blur,
            version: 1,
            calls: AtomicUsize::new(0),
            fails_at: None,
        }
    }
}

impl ImageEditor for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn edit(
        &self,
        photo: &RgbImage,
        _prompt: &str,
        seed: u64,
    ) -> Result<RgbImage, concepts::Error> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.fails_at == Some(photo.get_pixel(0, 0).0[0]) {
            return Err(concepts::Error::Editor {
                editor: self.name.to_owned(),
                source: "cannot".into(),
            });
        }
        let mut edited = if self.blur > 0.0 {
            imageops::blur(photo, self.blur)
        } else {
            photo.clone()
        };
        edited.put_pixel(1, 1, Rgb([seed as u8, (seed >> 8) as u8, 0]));
        Ok(edited)
    }

    fn parameters(&self) -> Value {
        // Numbers that survive a file only if all their digits are read.
        json!({ "version": self.version, "strength": 0.46f32, "cfg": 3.9f32, "noise": 0.49f32 })
    }
}

fn photos(count: u8) -> Vec<NamedImage> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quality/photo.png");
    let photo = image::open(fixture).unwrap().into_rgb8();
    (0..count)
        .map(|i| {
            let mut image = photo.clone();
            image.put_pixel(0, 0, Rgb([i, 0, 0]));
            NamedImage {
                name: format!("p{i}"),
                image,
            }
        })
        .collect()
}

fn concept(name: &str) -> EditConcept {
    EditConcept {
        name: name.to_owned(),
        prompt: format!("a {name}"),
    }
}

#[test]
fn a_second_run_makes_what_is_missing_or_stale() {
    let dir = tempfile::tempdir().unwrap();
    let (concepts, photos) = ([concept("fog"), concept("sketch")], photos(3));
    let mut fake = Fake::new("fake", 0.0);
    let settings = EditSettings {
        seed: 5,
        ..EditSettings::default()
    };
    let run = |fake: &Fake, settings: EditSettings| {
        let editors: [&(dyn ImageEditor + Sync); 1] = [fake];
        let run = EditRun::new(dir.path(), &concepts, &photos, &editors, settings).unwrap();
        let plan = run.plan();
        let seen = Mutex::new(Vec::new());
        let summary = run
            .run(&|event| seen.lock().unwrap().push(event.done))
            .unwrap();
        assert_eq!(seen.lock().unwrap().len(), plan.todo);
        assert_eq!((summary.made, summary.kept), (plan.todo, plan.done));
        (plan.todo, plan.stale)
    };
    assert_eq!(run(&fake, settings.clone()), (6, 0));
    assert_eq!(run(&fake, settings.clone()), (0, 0));

    let edits = dir.path().join("fog/edits/fake");
    let record: EditRecord =
        serde_json::from_slice(&fs::read(edits.join("p1.json")).unwrap()).unwrap();
    assert_eq!(
        (record.prompt.as_str(), record.photo.as_str()),
        ("a fog", "p1")
    );
    let made = image::open(edits.join("p1.png")).unwrap().into_rgb8();
    assert_eq!(
        made.get_pixel(1, 1).0[..2],
        [record.seed as u8, (record.seed >> 8) as u8]
    );

    // Lost, cut, changed, without a record, with a broken record: each is made again, and only it.
    let sketch = dir.path().join("sketch/edits/fake");
    fs::remove_file(edits.join("p0.png")).unwrap();
    fs::write(edits.join("p1.png"), b"\x89PNG").unwrap();
    fs::remove_file(sketch.join("p0.json")).unwrap();
    fs::write(sketch.join("p1.json"), "{").unwrap();
    fs::write(sketch.join(".tmp-aB3xYz"), "half").unwrap();
    assert_eq!(run(&fake, settings.clone()), (4, 2));
    assert!(!sketch.join(".tmp-aB3xYz").exists());
    assert_eq!(run(&fake, settings.clone()), (0, 0));

    // Other parameters, another seed: everything is made again.
    fake.version = 2;
    assert_eq!(run(&fake, settings), (6, 6));
    assert_eq!(
        run(
            &fake,
            EditSettings {
                seed: 6,
                ..EditSettings::default()
            }
        ),
        (6, 6)
    );
    assert_eq!(fake.calls.load(Ordering::SeqCst), 6 + 4 + 6 + 6);
}

#[test]
fn failures_are_reported_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (concepts, photos) = ([concept("fog")], photos(4));
    let mut fake = Fake::new("fake", 0.0);
    fake.fails_at = Some(2);
    {
        let editors: [&(dyn ImageEditor + Sync); 1] = [&fake];
        let run = EditRun::new(
            dir.path(),
            &concepts,
            &photos,
            &editors,
            EditSettings::default(),
        )
        .unwrap();
        let summary = run.run(&|_| {}).unwrap();
        assert_eq!(
            (summary.made, summary.failures.len(), summary.skipped),
            (3, 1, 0)
        );
        assert_eq!(summary.failures[0].photo, "p2");
        assert_eq!(run.run(&|_| {}).unwrap().failures.len(), 1);
    }
    fake.fails_at = None;
    let editors: [&(dyn ImageEditor + Sync); 1] = [&fake];
    let run = EditRun::new(
        dir.path(),
        &concepts,
        &photos,
        &editors,
        EditSettings::default(),
    )
    .unwrap();
    assert_eq!(run.run(&|_| {}).unwrap().made, 1);

    // A server that is gone ends the run early.
    struct Gone;
    impl ImageEditor for Gone {
        fn name(&self) -> &str {
            "gone"
        }
        fn edit(&self, _: &RgbImage, _: &str, _: u64) -> Result<RgbImage, concepts::Error> {
            Err(concepts::Error::Editor {
                editor: "gone".to_owned(),
                source: "gone".into(),
            })
        }
    }
    let editors: [&(dyn ImageEditor + Sync); 1] = [&Gone];
    let settings = EditSettings {
        workers: 1,
        max_failures: 2,
        ..EditSettings::default()
    };
    let run = EditRun::new(dir.path(), &concepts, &photos, &editors, settings).unwrap();
    let summary = run.run(&|_| {}).unwrap();
    assert_eq!((summary.failures.len(), summary.skipped), (2, 2));
}

/// Whatever the editor: an image of one colour is a failed edit, and one that an older version kept is made again.
#[test]
fn edits_of_one_colour_are_failures_and_are_not_kept() {
    struct Black(AtomicUsize);
    impl ImageEditor for Black {
        fn name(&self) -> &str {
            "black"
        }
        fn edit(&self, photo: &RgbImage, _: &str, _: u64) -> Result<RgbImage, concepts::Error> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(RgbImage::new(photo.width(), photo.height())),
                _ => Ok(photo.clone()),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (concepts, photos) = ([concept("fog")], photos(2));
    let black = Black(AtomicUsize::new(0));
    let editors: [&(dyn ImageEditor + Sync); 1] = [&black];
    let settings = EditSettings {
        workers: 1,
        ..EditSettings::default()
    };
    let run = EditRun::new(dir.path(), &concepts, &photos, &editors, settings).unwrap();
    let summary = run.run(&|_| {}).unwrap();
    assert_eq!((summary.made, summary.failures.len()), (1, 1));
    let error = &summary.failures[0].error;
    assert!(
        matches!(error, Error::FlatEdit { colour, .. } if colour == "#000000"),
        "{error}"
    );
    assert_eq!(run.run(&|_| {}).unwrap().made, 1);

    // Records of version 1: one edit is black, and only it is made again.
    let folder = dir.path().join("fog/edits/black");
    for (photo, is_black) in [("p0", true), ("p1", false)] {
        let path = folder.join(format!("{photo}.json"));
        let mut record: EditRecord = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(record.version, 2);
        record.version = 1;
        if is_black {
            let image = folder.join(format!("{photo}.png"));
            RgbImage::new(photos[0].image.width(), photos[0].image.height())
                .save(&image)
                .unwrap();
            record.sha256 = resumable_runs::sha256_hex(&fs::read(&image).unwrap());
        }
        fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    }
    assert_eq!((run.plan().done, run.plan().todo), (1, 1));
    assert_eq!(run.run(&|_| {}).unwrap().made, 1);
    assert_eq!(run.plan().todo, 0);
}

#[test]
fn edits_are_made_side_by_side_and_paced() {
    /// Counts how many edits are under way, and how many were at most.
    struct Slow(AtomicUsize, AtomicUsize);
    impl ImageEditor for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        fn edit(&self, photo: &RgbImage, _: &str, _: u64) -> Result<RgbImage, concepts::Error> {
            let here = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.fetch_max(here, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            self.0.fetch_sub(1, Ordering::SeqCst);
            Ok(photo.clone())
        }
    }
    let (concepts, photos) = ([concept("fog")], photos(8));
    let run = |workers, interval| {
        let slow = Slow(AtomicUsize::new(0), AtomicUsize::new(0));
        let editors: [&(dyn ImageEditor + Sync); 1] = [&slow];
        let dir = tempfile::tempdir().unwrap();
        let settings = EditSettings {
            workers,
            interval,
            ..EditSettings::default()
        };
        let run = EditRun::new(dir.path(), &concepts, &photos, &editors, settings).unwrap();
        assert_eq!(run.plan().seconds(Some(3.0)), Some(24.0 / workers as f64));
        assert_eq!(run.plan().cost(0.5), 4.0);
        let start = std::time::Instant::now();
        assert_eq!(run.run(&|_| {}).unwrap().made, 8);
        // The plan of what is left to do uses the time it took.
        assert_eq!(run.plan().seconds(None), Some(0.0));
        assert!(run.plan().seconds_per_edit.unwrap() >= 0.05);
        (slow.1.load(Ordering::SeqCst), start.elapsed())
    };
    assert_eq!(run(1, Duration::ZERO).0, 1);
    let most = run(4, Duration::ZERO).0;
    assert!((2..=4).contains(&most), "{most}");
    // Seven intervals lie between eight beginnings.
    assert!(run(8, Duration::from_millis(60)).1 >= Duration::from_millis(420));
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let (dir, photos) = (tempfile::tempdir().unwrap(), photos(1));
    let fake = Fake::new("fake", 0.0);
    let editors: [&(dyn ImageEditor + Sync); 1] = [&fake];
    let new = |concepts: &[EditConcept], photos: &[NamedImage]| {
        EditRun::new(
            dir.path(),
            concepts,
            photos,
            &editors,
            EditSettings::default(),
        )
        .map(|_| ())
    };
    for name in ["..", "../up", "/etc", "a/b", "a\\b", "", ".hidden", "a\0b"] {
        assert!(
            matches!(
                new(&[concept(name)], &photos),
                Err(Error::Image(concepts::Error::BadName { .. }))
            ),
            "{name:?}"
        );
        let named = [NamedImage {
            name: name.to_owned(),
            ..photos[0].clone()
        }];
        assert!(
            matches!(
                new(&[concept("fog")], &named),
                Err(Error::Image(concepts::Error::BadName { .. }))
            ),
            "{name:?}"
        );
    }
    assert!(new(&[concept("a"), concept("a")], &photos).is_err());
    let twice: [&(dyn ImageEditor + Sync); 2] = [&fake, &fake];
    let concepts = [concept("a")];
    assert!(
        EditRun::new(
            dir.path(),
            &concepts,
            &photos,
            &twice,
            EditSettings::default()
        )
        .is_err()
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_best_edit_of_each_photo_is_chosen_and_can_be_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let (concepts, photos) = ([concept("fog")], photos(3));
    let mut sharp = Fake::new("sharp", 0.0);
    sharp.fails_at = Some(1);
    let (middle, soft) = (Fake::new("middle", 1.0), Fake::new("soft", 3.0));
    let editors: [&(dyn ImageEditor + Sync); 3] = [&soft, &sharp, &middle];
    let run = EditRun::new(
        dir.path(),
        &concepts,
        &photos,
        &editors,
        EditSettings::default(),
    )
    .unwrap();
    for choice in [Choice::PerImage, Choice::PerConcept] {
        assert!(matches!(
            run.choose(&concepts[0], &NoReference, choice),
            Err(Error::NoEdits { .. })
        ));
    }
    run.run(&|_| {}).unwrap();
    let best = run
        .choose(&concepts[0], &NoReference, Choice::PerImage)
        .unwrap();
    let who = |best: &BestEdits| -> Vec<(String, String)> {
        let chosen = best.chosen.iter();
        chosen
            .map(|c| (c.photo.clone(), c.editor.clone()))
            .collect()
    };
    let pair = |photo: &str, editor: &str| (photo.to_owned(), editor.to_owned());
    // Each photo has the sharpest edit that there is of it.
    assert_eq!(
        who(&best),
        [
            pair("p0", "sharp"),
            pair("p1", "middle"),
            pair("p2", "sharp")
        ]
    );
    let places: Vec<(&str, usize, usize)> = best
        .ranking
        .iter()
        .map(|e| (e.editor.as_str(), e.photos, e.chosen))
        .collect();
    assert_eq!(places, [("sharp", 2, 2), ("middle", 3, 1), ("soft", 3, 0)]);
    for (pair, chosen) in best.pairs().iter().zip(&best.chosen) {
        let edit = format!("fog/edits/{}/{}.png", chosen.editor, chosen.photo);
        let edit = image::open(dir.path().join(edit)).unwrap().into_rgb8();
        assert_eq!((&pair.name, &pair.target), (&chosen.photo, &edit));
    }

    write_pairs(&dir.path().join("fog"), best.pairs()).unwrap();
    let pairs = read_pairs(&dir.path().join("fog"), 96).unwrap();
    assert_eq!(pairs, best.pairs());
    assert_eq!(pairs[1].input, photos[1].image);

    // The photo, the chosen edit, the editors in their order.
    let sheet = best.sheet(2, 48).unwrap();
    assert_eq!(sheet.dimensions(), (5 * 52 + 4, 2 * 52 + 4));
    let tile = |column: u32, row: u32| {
        let at = |index: u32| 4 + index * 52;
        imageops::crop_imm(&sheet, at(column), at(row), 48, 48).to_image()
    };
    assert_eq!(tile(1, 0), tile(2, 0));
    assert_eq!(tile(1, 1), tile(3, 1));
    // The gap of the editor that failed is grey.
    assert_eq!(tile(2, 1).get_pixel(24, 24), &Rgb([200; 3]));

    // One editor for all photos: the one that left none out.
    let best = run
        .choose(&concepts[0], &NoReference, Choice::PerConcept)
        .unwrap();
    assert_eq!(
        who(&best),
        [
            pair("p0", "middle"),
            pair("p1", "middle"),
            pair("p2", "middle")
        ]
    );
    let ranking: Vec<&str> = best.ranking.iter().map(|e| e.editor.as_str()).collect();
    assert_eq!(ranking, ["middle", "soft", "sharp"]);
    assert!(best.ranking[0].mean > best.ranking[1].mean);

    struct Nan;
    impl QualityScore for Nan {
        fn name(&self) -> &str {
            "nan"
        }
        fn score(&self, _: &RgbImage, _: &RgbImage, _: &str) -> Result<f64, Error> {
            Ok(f64::NAN)
        }
    }
    assert!(run.choose(&concepts[0], &Nan, Choice::PerImage).is_err());
}
