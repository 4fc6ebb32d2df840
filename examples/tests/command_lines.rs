//! What the example programs refuse before they begin, and what they do to folders that an earlier run has written to.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use denoised_weights::starts::StartKind;
use image::{Rgb, RgbImage};
use serde_json::json;
use weight_blocks::Zoo;

#[allow(dead_code)]
#[cfg(feature = "http")]
#[path = "../data/build_prompts/main.rs"]
mod build_prompts;
#[allow(dead_code)]
#[path = "../data/draw_concepts.rs"]
mod draw_concepts;
#[allow(dead_code)]
#[cfg(feature = "http")]
#[path = "../data/edit_photos/args.rs"]
mod edit_photos;
#[allow(dead_code)]
#[path = "../paper/encoders.rs"]
mod encoders;
#[allow(dead_code)]
#[path = "../data/fid/main.rs"]
mod fid;
#[allow(dead_code)]
#[path = "../start/generate/main.rs"]
mod generate;
#[allow(dead_code)]
#[path = "../start/lora_files/main.rs"]
mod lora_files;
#[allow(dead_code)]
#[path = "../data/prepare_pairs.rs"]
mod prepare_pairs;
#[allow(dead_code)]
#[path = "../data/prepare_photos.rs"]
mod prepare_photos;
#[allow(dead_code)]
#[path = "../start/quickstart/main.rs"]
mod quickstart;
#[allow(dead_code)]
#[path = "../start/your_style/main.rs"]
mod your_style;

fn parsed<A: Parser>(line: &[&str]) -> A {
    A::try_parse_from(["program"].iter().chain(line)).unwrap()
}

/// What a program says to a command line that it refuses; nothing if it takes it.
fn refusal<A: Parser>(line: &str) -> String {
    let words = line.split(' ').filter(|word| !word.is_empty());
    let parsed = A::try_parse_from(["program"].into_iter().chain(words));
    parsed.err().map_or_else(String::new, |e| e.to_string())
}

/// Photos of as many sources, `a.png` and so on.
fn photos(dir: &Path, count: u8) -> String {
    fs::create_dir_all(dir).unwrap();
    for i in 0..count {
        let pixel = |x: u32, y: u32| Rgb([4 * x as u8, 4 * y as u8, 16 * i]);
        let name = format!("{}.png", char::from(b'a' + i));
        (RgbImage::from_fn(64, 64, pixel).save(dir.join(name))).unwrap();
    }
    text(dir)
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn numbers_that_nothing_can_be_made_of_are_refused() {
    for (line, expected) in [
        ("--n-train 0", "1 or more"),
        ("--n-test 0", "2 or more"),
        ("--n-test 1", "2 or more"),
    ] {
        let style = refusal::<your_style::Args>(&format!("--pairs p {line}"));
        assert!(style.contains(expected), "{style}");
        let quick = refusal::<quickstart::Args>(line);
        assert!(quick.contains(expected), "{quick}");
    }
    let none = refusal::<quickstart::Args>("--all-held-out --limit 0");
    assert!(none.contains("1 or more"), "{none}");
    assert_eq!(refusal::<quickstart::Args>("--epochs 0 --n-test 2"), "");
}

#[cfg(feature = "http")]
#[test]
fn numbers_that_servers_are_asked_by_are_checked() {
    for near in ["nan", "0", "-1", "1.01", "95"] {
        let error = refusal::<build_prompts::Args>(&format!("--out o --near {near}"));
        assert!(error.contains("above 0, up to 1"), "{near}: {error}");
    }
    assert_eq!(refusal::<build_prompts::Args>("--out o --near 1"), "");
    for seconds in ["nan", "inf", "-1", "1e9"] {
        let line = format!("--photos p --prompts t --out o --seconds {seconds}");
        let error = refusal::<edit_photos::Args>(&line);
        assert!(error.contains("a number from 0 to 86400"), "{error}");
    }
}

#[test]
fn options_that_nothing_would_use_are_refused() {
    let unknown = [
        refusal::<prepare_pairs::Args>("--out o --device flex"),
        refusal::<prepare_pairs::Args>("--out o --seed 1"),
        refusal::<draw_concepts::Args>("--out o --device flex"),
        refusal::<encoders::Args>("--seed 1"),
        refusal::<lora_files::Args>("collect f --out o --seed 1"),
        refusal::<lora_files::Args>("collect f --out o --device flex"),
    ];
    for error in unknown {
        assert!(error.contains("unexpected argument"), "{error}");
    }
    for (error, needed) in [
        (
            refusal::<generate::Args>("--prompt fog --out o --photos p"),
            "--export",
        ),
        (
            refusal::<draw_concepts::Args>("--out o --photos p"),
            "--sheet",
        ),
        (
            refusal::<prepare_photos::Args>("--photos p --out o --face-margin 2"),
            "--faces",
        ),
    ] {
        assert!(error.contains("were not provided"), "{error}");
        assert!(error.contains(needed), "{error}");
    }
    let taken = [
        refusal::<generate::Args>("--prompt fog --out o --photos p --export e"),
        refusal::<draw_concepts::Args>("--out o --seed 2 --sheet s.png --photos p --json j"),
        refusal::<encoders::Args>("--device flex --throughput 9 --passes 0 --json j"),
        refusal::<lora_files::Args>("collect f --out o --json j"),
    ];
    assert_eq!(taken, [""; 4]);
}

#[test]
fn a_start_that_is_named_twice_is_trained_once() {
    let zoo = Zoo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/zoo")).unwrap();
    let args: quickstart::Args = parsed(&["--methods", "zero,denoised,zero"]);
    let expected = [StartKind::Zero, StartKind::Denoised];
    assert_eq!(args.methods(&zoo), expected);
}

#[test]
fn an_unfinished_concept_is_written_anew_and_other_files_stay() {
    let dir = tempfile::tempdir().unwrap();
    let photos = photos(&dir.path().join("photos"), 14);
    let out = dir.path().join("pairs");
    let prepare = |count: &str, size: &str| {
        let out = text(&out);
        prepare_pairs::prepare(&parsed(&[
            "--photos",
            &photos,
            "--out",
            &out,
            "--only",
            "oil-painting",
            "--n-train",
            count,
            "--n-test",
            "1",
            "--size",
            size,
        ]))
    };
    let concept = out.join("oil-painting");
    let inputs = || -> Vec<(u32, u32)> {
        let entries = fs::read_dir(concept.join("train/input")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let sizes = paths.map(|path| image::image_dimensions(path).unwrap());
        sizes.collect()
    };
    prepare("8", "64").unwrap();
    assert_eq!(inputs(), [(64, 64); 8]);
    // As a run that was killed before its end leaves it.
    fs::remove_file(concept.join("prompt.txt")).unwrap();
    prepare("5", "32").unwrap();
    assert_eq!(inputs(), [(32, 32); 5]);
    prepare("8", "64").unwrap();
    assert_eq!(inputs(), [(32, 32); 5], "a complete concept stays");

    fs::remove_file(concept.join("prompt.txt")).unwrap();
    for name in ["holiday.png", "00001.png"] {
        let own = concept.join("train/input").join(name);
        fs::copy(concept.join("train/input/0001.png"), &own).unwrap();
        let error = prepare("8", "64").unwrap_err().to_string();
        assert!(error.contains(&text(&own)), "{error}");
        assert_eq!(inputs().len(), 6, "nothing is removed");
        fs::remove_file(own).unwrap();
    }
    prepare("8", "64").unwrap();
    assert_eq!(inputs(), [(64, 64); 8]);
}

#[test]
fn identities_have_to_name_photos() {
    let dir = tempfile::tempdir().unwrap();
    let photos = photos(&dir.path().join("photos"), 14);
    let (out, file) = (dir.path().join("out"), dir.path().join("who.json"));
    let plan = |identities: serde_json::Value| {
        fs::write(&file, identities.to_string()).unwrap();
        prepare_photos::main_with(&parsed(&[
            "--photos",
            &photos,
            "--out",
            &text(&out),
            "--identities",
            &text(&file),
            "--dry-run",
        ]))
    };
    plan(json!({"a.png": "ada", "b": "ada", "dave.jpg": "dave"})).unwrap();
    for none in [json!({"dave.jpg": "dave", "erin": "erin"}), json!({})] {
        let error = plan(none).unwrap_err().to_string();
        assert!(error.contains("it names none of the photos"), "{error}");
        assert!(error.contains(&text(&file)), "{error}");
    }
}

#[test]
fn a_sheet_that_cannot_be_drawn_is_refused_before_anything_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (out, empty) = (dir.path().join("concepts.json"), dir.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    fs::write(&out, "mine").unwrap();
    let draw = |sheet: &str, photos: &Path| {
        draw_concepts::draw(&parsed(&[
            "--count",
            "2",
            "--out",
            &text(&out),
            "--sheet",
            &text(&dir.path().join(sheet)),
            "--photos",
            &text(photos),
        ]))
    };
    let some = PathBuf::from(photos(&dir.path().join("photos"), 3));
    let error = draw("sheet.jpg", &some).unwrap_err().to_string();
    assert!(error.contains("sheet.jpg: the picture is a PNG"), "{error}");
    let error = draw("sheet.png", &empty).unwrap_err().to_string();
    assert!(error.contains(&text(&empty)), "{error}");
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    draw("sheet.PNG", &some).unwrap();
    assert_ne!(fs::read_to_string(&out).unwrap(), "mine");
    image::open(dir.path().join("sheet.PNG")).unwrap();
}

#[test]
fn statistics_that_cannot_be_saved_are_refused_before_images_are_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder.npz")).unwrap();
    for (name, expected) in [
        ("a.json", "name it NAME.npz"),
        ("none/a.npz", "there is no such folder"),
        ("folder.npz", "this is a folder"),
    ] {
        let file = text(&dir.path().join(name));
        let args = parsed(&["no-images", "none-either", "--save-statistics", &file]);
        let error = fid::fid(&args).unwrap_err().to_string();
        assert!(error.contains(&file) && error.contains(expected), "{error}");
    }
}

#[cfg(all(feature = "http", unix))]
#[test]
fn combinations_can_be_read_by_whom_the_set_can_be() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let list = |name: &str, lines: &str| {
        let path = dir.path().join(name);
        fs::write(&path, lines).unwrap();
        text(&path)
    };
    let out = dir.path().join("prompts");
    build_prompts::build(&parsed(&[
        "--out",
        &text(&out),
        "--art-list",
        &list("art.txt", "oil painting\nwatercolour\n"),
        "--character-list",
        &list("character.txt", "astronaut\nold sailor\n"),
        "--held-out",
        "0,0,0",
        "--embedder",
        "none",
    ]))
    .unwrap();
    let lines = fs::read_to_string(out.join("combinations.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 4);
    let mode = |name: &str| {
        let found = fs::metadata(out.join(name)).unwrap();
        found.permissions().mode()
    };
    assert_eq!(mode("combinations.jsonl"), mode("set.json"));
}

#[test]
fn a_quickstart_replaces_its_own_results_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let file = |folder: &str, name: &str| {
        let folder = dir.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), "").unwrap();
        folder
    };
    let own = file("own", "report.json");
    file("own", "adapter.safetensors");
    file("own", "notes.txt");
    quickstart::make_room(&own).unwrap();
    let left: Vec<_> = fs::read_dir(&own).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    quickstart::make_room(&dir.path().join("new")).unwrap();
    // What `your_style` leaves, when it is interrupted and at its end.
    for (folder, name) in [("interrupted", "state"), ("ended", "run.json")] {
        let other = file(folder, name);
        file(folder, "adapter.safetensors");
        let error = quickstart::make_room(&other).unwrap_err().to_string();
        assert!(error.contains("--out names another folder"), "{error}");
        assert!(other.join("adapter.safetensors").exists());
    }
}
