//! The shipped list: its split, its words, and what its edits do to images.

use std::collections::{BTreeMap, BTreeSet};

use concepts::{ClassicalEditor, Concept, Error, ImageEditor, Split, art_concepts, find};
use image::{Rgb, RgbImage};

/// Images with what photos have: gradients, edges, texture, dull and strong colours, dark and bright parts.
fn images(side: u32) -> Vec<RgbImage> {
    let at = |x: u32, y: u32| (x as f32 / side as f32, y as f32 / side as f32);
    let rgb = |channels: [f32; 3]| Rgb(channels.map(|v| (v * 255.0).round() as u8));
    // A sun over hills.
    let hills = RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = at(x, y);
        let ridge = 0.55 + 0.1 * (9.0 * x).sin();
        if (x - 0.7).hypot(y - 0.25) < 0.12 {
            rgb([1.0, 0.85, 0.4])
        } else if y < ridge {
            rgb([0.45 + 0.3 * y, 0.6 + 0.2 * y, 0.9])
        } else {
            let grass = 0.12 * (60.0 * x).sin() * (45.0 * y).cos();
            rgb([0.25 + grass, 0.45 + grass - 0.3 * (y - ridge), 0.15])
        }
    });
    // Bricks in evening light.
    let bricks = RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = at(x, y);
        let row = (y * 6.0).floor();
        let (u, v) = ((x * 3.0 + 0.5 * (row % 2.0)).fract(), (y * 6.0).fract());
        let light = 0.4 + 0.6 * x;
        if u < 0.08 || v < 0.15 {
            rgb([0.7 * light, 0.66 * light, 0.6 * light])
        } else {
            let tone = 0.1 * (row * 2.3).sin();
            rgb([(0.6 + tone) * light, (0.3 + tone) * light, 0.22 * light])
        }
    });
    // Something round and grey on a dark table.
    let bowl = RgbImage::from_fn(side, side, |x, y| {
        let (x, y) = at(x, y);
        let from_centre = (x - 0.5).hypot(y - 0.5);
        if from_centre < 0.35 {
            let shade = 0.85 - 1.4 * ((x - 0.4).hypot(y - 0.4));
            rgb([shade, shade, shade])
        } else {
            rgb([0.16 + 0.06 * (40.0 * y).sin().abs(), 0.1, 0.08])
        }
    });
    vec![hills, bricks, bowl]
}

fn mean_distance(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: f64 = a
        .as_raw()
        .iter()
        .zip(b.as_raw())
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum();
    sum / a.as_raw().len() as f64
}

fn of(list: &[Concept], split: Split) -> Vec<&Concept> {
    list.iter().filter(|c| c.split == split).collect()
}

#[test]
fn sizes_of_the_list_and_its_splits() {
    let list = art_concepts();
    assert_eq!(list.len(), 360);
    assert_eq!(of(&list, Split::Test).len(), 26);
    assert_eq!(of(&list, Split::Validation).len(), 18);
    assert_eq!(of(&list, Split::Train).len(), 360 - 26 - 18);
    assert_eq!(list, art_concepts());
}

/// Results name these concepts: a change here makes them incomparable.
#[test]
fn held_out_concepts_stay_the_same() {
    let list = art_concepts();
    let names = |split| -> Vec<&str> { of(&list, split).iter().map(|c| c.name.as_str()).collect() };
    assert_eq!(
        names(Split::Test),
        [
            "green-pencil-sketch",
            "brown-pencil-sketch",
            "teal-charcoal-sketch",
            "blue-charcoal-sketch",
            "brown-charcoal-sketch",
            "golden-engraving",
            "red-halftone-print",
            "green-halftone-print",
            "blue-chalk-drawing",
            "navy-chalk-drawing",
            "orange-watercolour-painting",
            "navy-watercolour-painting",
            "pink-watercolour-painting",
            "purple-pixel-mosaic",
            "purple-duotone-poster",
            "magenta-duotone-poster",
            "soft-pencil-sketch",
            "bold-charcoal-sketch",
            "coarse-woodcut-print",
            "soft-watercolour-painting",
            "lime-oil-painting",
            "pink-scratchboard-drawing",
            "green-risograph-print",
            "magenta-risograph-print",
            "dark-red-pencil-sketch",
            "dark-red-oil-painting"
        ]
    );
    assert_eq!(
        names(Split::Validation),
        [
            "sepia-photograph",
            "golden-pencil-sketch",
            "purple-charcoal-sketch",
            "orange-ink-drawing",
            "magenta-ink-drawing",
            "green-engraving",
            "magenta-engraving",
            "golden-halftone-print",
            "teal-fog",
            "blue-duotone-poster",
            "dark-oil-painting",
            "high-contrast-sepia-photograph",
            "brown-gouache-painting",
            "teal-risograph-print",
            "purple-risograph-print",
            "coarse-red-oil-painting",
            "oil-painting-on-a-television-screen",
            "stained-glass-window-at-golden-hour"
        ]
    );
}

#[test]
fn names_are_slugs_and_all_differ() {
    let list = art_concepts();
    for concept in &list {
        let is_slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(concept.name.chars().all(is_slug), "{}", concept.name);
        assert!(concept.prompt.split(' ').count() >= 2, "{}", concept.prompt);
        assert!(!concept.edit.is_empty(), "{}", concept.name);
    }
    let names: BTreeSet<&str> = list.iter().map(|c| c.name.as_str()).collect();
    let prompts: BTreeSet<&str> = list.iter().map(|c| c.prompt.as_str()).collect();
    assert_eq!(names.len(), list.len());
    assert_eq!(prompts.len(), list.len());
}

#[test]
fn every_word_of_a_held_out_prompt_is_in_a_training_prompt() {
    let list = art_concepts();
    let trained: BTreeSet<&str> = of(&list, Split::Train)
        .iter()
        .flat_map(|c| c.prompt.split(' '))
        .collect();
    for concept in list.iter().filter(|c| c.split != Split::Train) {
        for word in concept.prompt.split(' ') {
            assert!(trained.contains(word), "{word:?} of {:?}", concept.prompt);
        }
    }
}

#[test]
fn colour_words_are_used_across_families() {
    let list = art_concepts();
    let colours = [
        "red", "orange", "golden", "green", "teal", "blue", "navy", "purple", "magenta", "pink",
        "brown",
    ];
    for colour in colours {
        let used = list
            .iter()
            .filter(|c| c.prompt.split(' ').next() == Some(colour))
            .count();
        assert!(used >= 12, "{colour}: {used}");
    }
}

#[test]
fn edits_are_repeatable_and_keep_the_dimensions() {
    for photo in images(64) {
        for concept in art_concepts() {
            let edited = concept.apply(&photo);
            assert_eq!(edited.dimensions(), (64, 64));
            assert_eq!(edited, concept.apply(&photo), "{}", concept.name);
        }
    }
}

#[test]
fn every_edit_is_visible() {
    let photos = images(64);
    for concept in art_concepts() {
        let sum: f64 = photos
            .iter()
            .map(|photo| mean_distance(&concept.apply(photo), photo))
            .sum();
        let mean = sum / photos.len() as f64;
        assert!(mean > 12.0, "{}: {mean:.1} of 255", concept.name);
    }
}

#[test]
fn no_two_edits_are_alike() {
    let list = art_concepts();
    let photos = images(64);
    let edits: Vec<Vec<RgbImage>> = list
        .iter()
        .map(|concept| photos.iter().map(|photo| concept.apply(photo)).collect())
        .collect();
    for (i, a) in edits.iter().enumerate() {
        for (j, b) in edits.iter().enumerate().skip(i + 1) {
            let sum: f64 = a.iter().zip(b).map(|(a, b)| mean_distance(a, b)).sum();
            let mean = sum / photos.len() as f64;
            assert!(
                mean > 3.0,
                "{} and {}: {mean:.2} of 255",
                list[i].name,
                list[j].name
            );
        }
    }
}

/// An edit of a large photo looks like the edit of a small one: radii and periods grow with the side.
#[test]
fn edits_scale_with_the_image() {
    let (small, large) = (images(64), images(192));
    for name in [
        "oil-painting",
        "pixel-mosaic",
        "halftone-print",
        "foggy-morning",
        "charcoal-sketch",
    ] {
        let list = art_concepts();
        let concept = find(&list, name).unwrap();
        for (small, large) in small.iter().zip(&large) {
            let large = concept.apply(large);
            let reduced = image::imageops::thumbnail(&large, 64, 64);
            let distance = mean_distance(&concept.apply(small), &reduced);
            assert!(distance < 20.0, "{name}: {distance:.1} of 255");
        }
    }
}

#[test]
fn odd_images_pass_through_every_edit() {
    for (width, height) in [(0, 0), (0, 5), (1, 1), (1, 7), (5, 3), (33, 64)] {
        let photo = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 200]));
        for concept in art_concepts() {
            assert_eq!(
                concept.apply(&photo).dimensions(),
                (width, height),
                "{}",
                concept.name
            );
        }
    }
}

#[test]
fn unknown_names_and_prompts_get_suggestions() {
    let list = art_concepts();
    match find(&list, "charcol-sketch").unwrap_err() {
        Error::UnknownConcept { name, suggestions } => {
            assert_eq!(name, "charcol-sketch");
            assert_eq!(suggestions[0], "charcoal-sketch");
        }
        other => panic!("{other}"),
    }
    let photo = &images(64)[0];
    let editor = ClassicalEditor::default();
    let error = editor.edit(photo, "charcoal teal sketch", 0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("did you mean \"teal charcoal sketch\""),
        "{error}"
    );
    let empty = ClassicalEditor::new(Vec::new())
        .edit(photo, "oil painting", 0)
        .unwrap_err();
    assert!(empty.to_string().ends_with("the list is empty"), "{empty}");
}

#[test]
fn the_editor_applies_the_concept_of_the_prompt_whatever_the_seed() {
    let list = art_concepts();
    let photo = &images(64)[1];
    let editor: Box<dyn ImageEditor> = Box::new(ClassicalEditor::default());
    assert_eq!(editor.name(), "classical");
    let expected = find(&list, "green-fog").unwrap().apply(photo);
    assert_eq!(editor.edit(photo, "green fog", 0).unwrap(), expected);
    assert_eq!(editor.edit(photo, " Green Fog ", 7).unwrap(), expected);
}

#[test]
fn concepts_survive_json() {
    let list = art_concepts();
    let text = serde_json::to_string(&list).unwrap();
    let back: Vec<Concept> = serde_json::from_str(&text).unwrap();
    assert_eq!(back, list);
    let fields: BTreeMap<String, serde_json::Value> =
        serde_json::from_value(serde_json::to_value(&list[0]).unwrap()).unwrap();
    assert_eq!(fields["split"], "train");
    assert_eq!(fields["edit"][0]["op"], "dodge");
}

#[test]
fn concepts_of_your_own_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("concepts.json");
    let ice = |name: &str, prompt: &str, edit: &str| {
        format!(r#"{{"name": "{name}", "prompt": "{prompt}", "split": "test", "edit": [{edit}]}}"#)
    };
    let op = r#"{"op": "invert"}"#;
    for (text, expected) in [
        ("[]".to_owned(), "lists no concepts"),
        ("{}".to_owned(), "not the expected JSON"),
        (
            format!("[{}]", ice("../ice", "ice", op)),
            "\"../ice\" has characters other",
        ),
        (format!("[{}]", ice("", "ice", op)), "characters other"),
        (format!("[{}]", ice("ice", " ", op)), "no prompt or no edit"),
        (
            format!("[{}]", ice("ice", "ice", "")),
            "no prompt or no edit",
        ),
        (
            format!("[{}, {}]", ice("ice", "ice", op), ice("ice", "snow", op)),
            "listed twice",
        ),
        (
            format!("[{}, {}]", ice("ice", "ice", op), ice("snow", "ice", op)),
            "listed twice",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = concepts::read_concepts(&path).unwrap_err().to_string();
        assert!(
            error.contains(expected) && error.contains("concepts.json"),
            "{error}"
        );
    }
}
