//! The grammar: what it draws, in words and in pixels, and what its regions keep apart.

use std::collections::{BTreeMap, BTreeSet};

use concepts::grammar::{DrawnConcept, Grammar, PARAPHRASES, Region};
use concepts::{Op, Split, read_concepts};
use image::{Rgb, RgbImage};

const REGIONS: [Region; 3] = [Region::Training, Region::NewWords, Region::NewEdits];

fn draw(region: Region, count: usize) -> Vec<DrawnConcept> {
    Grammar::new(region, 3).distinct(count).unwrap()
}

fn words(prompt: &str) -> BTreeSet<String> {
    prompt
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The kinds of the stages of an edit, with the shape of a screen or a texture.
fn filters(drawn: &DrawnConcept) -> BTreeSet<String> {
    let kind = |op: &Op| {
        let value = serde_json::to_value(op).unwrap();
        let part = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}{}", part("op"), part("screen"), part("texture"))
    };
    drawn.concept.edit.iter().map(kind).collect()
}

#[test]
fn a_number_and_a_seed_decide_a_concept() {
    for region in REGIONS {
        let (grammar, other) = (Grammar::new(region, 1), Grammar::new(region, 2));
        let list = |grammar: &Grammar| (0..20).map(|n| grammar.draw(n)).collect::<Vec<_>>();
        assert_eq!(list(&grammar), list(&grammar));
        assert_ne!(list(&grammar), list(&other));
    }
    // Written down, so that no change of the grammar moves a concept unnoticed.
    let drawn = Grammar::new(Region::Training, 0).draw(0);
    assert_eq!(drawn.concept.prompt, "green chalk drawing, low contrast");
}

#[test]
fn prompts_are_different_and_decide_the_edit() {
    let mut edits: BTreeMap<String, Vec<Op>> = BTreeMap::new();
    for region in REGIONS {
        for seed in 0..3 {
            for drawn in Grammar::new(region, seed).distinct(700).unwrap() {
                let concept = drawn.concept;
                let same = edits
                    .entry(concept.prompt.clone())
                    .or_insert_with(|| concept.edit.clone());
                assert_eq!(*same, concept.edit, "{}", concept.prompt);
            }
        }
    }
}

#[test]
fn paraphrases_are_other_words_for_one_edit() {
    let mut of: BTreeMap<String, Vec<Op>> = BTreeMap::new();
    let mut count = 0;
    for drawn in draw(Region::Training, 800) {
        let DrawnConcept {
            concept,
            paraphrases,
        } = drawn;
        assert!(
            paraphrases.len() >= 4,
            "{}: {paraphrases:?}",
            concept.prompt
        );
        assert!(paraphrases.len() <= PARAPHRASES);
        count += paraphrases.len();
        for prompt in paraphrases.iter().chain([&concept.prompt]) {
            assert_eq!(prompt.trim(), prompt);
            assert!(!prompt.contains("  ") && !prompt.contains('{'), "{prompt}");
            let same = of
                .entry(prompt.clone())
                .or_insert_with(|| concept.edit.clone());
            assert_eq!(*same, concept.edit, "{prompt}");
        }
    }
    assert!(count > 800 * 14, "{count} paraphrases");
}

#[test]
fn every_edit_changes_what_one_sees() {
    let photo = RgbImage::from_fn(64, 64, |x, y| {
        let wave = (x as f32 * 0.35).sin() * (y as f32 * 0.2).cos();
        Rgb([
            (110.0 + 80.0 * wave + y as f32) as u8,
            (60 + 2 * x) as u8,
            (200 - 2 * y + 10 * (x / 8 % 2)) as u8,
        ])
    });
    for region in REGIONS {
        for drawn in draw(region, 300) {
            let edited = drawn.concept.apply(&photo);
            let changed = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b));
            let mean =
                edited.iter().zip(photo.iter()).map(changed).sum::<f64>() / f64::from(64 * 64 * 3);
            assert!(mean > 1.0, "{}: {mean}", drawn.concept.prompt);
        }
    }
}

#[test]
fn regions_keep_words_and_filters_from_training() {
    let training = draw(Region::Training, 2000);
    let mut known = BTreeSet::new();
    let mut used = BTreeSet::new();
    for drawn in &training {
        assert_eq!(drawn.concept.split, Split::Train);
        known.extend(words(&drawn.concept.prompt));
        known.extend(drawn.paraphrases.iter().flat_map(|text| words(text)));
        used.extend(filters(drawn));
    }
    for drawn in draw(Region::NewWords, 300) {
        assert_eq!(drawn.concept.split, Split::Test);
        assert!(
            !words(&drawn.concept.prompt).is_subset(&known),
            "{}",
            drawn.concept.prompt
        );
        assert!(filters(&drawn).is_subset(&used), "{}", drawn.concept.prompt);
    }
    for drawn in draw(Region::NewEdits, 300) {
        assert_eq!(drawn.concept.split, Split::Test);
        assert!(
            !filters(&drawn).is_subset(&used),
            "{}",
            drawn.concept.prompt
        );
    }
}

#[test]
fn a_list_of_drawn_concepts_is_a_list_of_concepts() {
    let drawn = draw(Region::Training, 500);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("concepts.json");
    std::fs::write(&path, serde_json::to_vec(&drawn).unwrap()).unwrap();
    let concepts: Vec<_> = drawn.iter().map(|drawn| drawn.concept.clone()).collect();
    assert_eq!(read_concepts(&path).unwrap(), concepts);
    let read: Vec<DrawnConcept> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read, drawn);
}
