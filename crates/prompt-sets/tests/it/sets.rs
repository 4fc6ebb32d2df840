//! The prompt data set at the paper's size: hold out, combine, check for leaks.

use std::collections::HashSet;
use std::time::Instant;

use concepts::Split;
use prompt_sets::combine::{Combination, CombineRules, combine, combine_where};
use prompt_sets::leak::{LeakCheck, LeakSettings, Likeness};
use prompt_sets::screen::{Reason, Screening};
use prompt_sets::{Category, Error, HeldOutCounts, PromptSet, Statistics, normalise};

/// Texts of two words that share no word with another: "bakol dimin".
fn words(prefix: &str, count: usize) -> Vec<String> {
    let syllable = |n: usize| {
        let consonants = b"bdfgklmnprtv";
        let vowels = b"aeiou";
        let (c, v) = (consonants[n % 12] as char, vowels[n / 12 % 5] as char);
        format!("{c}{v}")
    };
    (0..count)
        .map(|i| {
            let tail = format!("{}{}", syllable(i % 60), syllable(i / 60 + 7));
            format!("{prefix}{tail} {prefix}q{tail}")
        })
        .collect()
}

/// The paper's numbers: 226 art, 441 character, 26 facial.
fn paper() -> PromptSet {
    let mut set = PromptSet::default();
    for (category, prefix, count) in [
        (Category::Art, "ar", 226),
        (Category::Character, "cha", 441),
        (Category::Facial, "fa", 26),
    ] {
        assert!(
            set.add(category, &words(prefix, count), &Screening::default())
                .is_empty()
        );
    }
    set.hold_out(HeldOutCounts::default(), 11).unwrap();
    set
}

fn texts(set: &PromptSet, split: Split) -> HashSet<String> {
    set.concepts
        .iter()
        .filter(|c| c.split == split)
        .map(|c| c.text.clone())
        .collect()
}

#[test]
fn the_papers_size_in_less_than_a_minute() {
    let start = Instant::now();
    let mut set = paper();
    for index in 0..set.concepts.len() {
        let text = set.concepts[index].text.replace(' ', "ly ");
        assert!(
            set.add_paraphrases(index, &[text], &Screening::default())
                .is_empty()
        );
    }
    let all = combine(&set, &CombineRules::default()).unwrap();
    let check = LeakCheck::new(&set, LeakSettings::default());
    assert_eq!(check.held_out().len(), 2 * 45);
    let mut count = 0;
    for combination in all {
        assert!(check.text(&combination.text).is_none(), "{combination:?}");
        count += 1;
    }
    assert_eq!(count, 206 * 421 + 206 * 21 + 421 * 21);

    // The paper's number of combinations is drawn from them.
    let rules = CombineRules {
        limit: Some(84_477),
        seed: 3,
        ..CombineRules::default()
    };
    let drawn = combine(&set, &rules).unwrap().count();
    assert_eq!(drawn, 84_477);
    let statistics = Statistics::new(&set, drawn);
    let row = &statistics.categories[1];
    assert_eq!(
        (row.concepts, row.held_out, row.paraphrases),
        (441, 20, 441)
    );
    assert!(
        statistics.to_string().contains("84477 (84477)"),
        "{statistics}"
    );
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[test]
fn a_draw_depends_on_its_seed_and_has_no_duplicates() {
    let set = paper();
    let draw = |seed| -> Vec<String> {
        let rules = CombineRules {
            limit: Some(500),
            seed,
            ..CombineRules::default()
        };
        combine(&set, &rules).unwrap().map(|c| c.text).collect()
    };
    let (a, b, c) = (draw(1), draw(1), draw(2));
    assert_eq!(a, b);
    assert_ne!(a, c);
    assert_eq!(a.iter().collect::<HashSet<_>>().len(), 500);
}

#[test]
fn holding_out_depends_on_category_and_seed_but_not_on_order() {
    let set = paper();
    let test = texts(&set, Split::Test);
    for (category, count) in [
        (Category::Art, 20),
        (Category::Character, 20),
        (Category::Facial, 5),
    ] {
        assert_eq!(set.of(category, Split::Test).count(), count);
    }
    let mut turned = set.clone();
    turned.concepts.reverse();
    turned.hold_out(HeldOutCounts::default(), 11).unwrap();
    assert_eq!(texts(&turned, Split::Test), test);
    turned.hold_out(HeldOutCounts::default(), 12).unwrap();
    assert_ne!(texts(&turned, Split::Test), test);

    let error = turned
        .hold_out(
            HeldOutCounts {
                facial: 26,
                ..HeldOutCounts::default()
            },
            1,
        )
        .unwrap_err();
    assert!(error.to_string().contains("facial"), "{error}");
}

#[test]
fn combinations_are_filtered() {
    let mut set = PromptSet::default();
    for (category, texts) in [
        (Category::Art, ["neon edges", "oil painting"]),
        (Category::Character, ["neon robot", "bald monk"]),
        (Category::Facial, ["long hair", "thick beard"]),
    ] {
        set.add(category, &texts.map(str::to_owned), &Screening::default());
    }
    let rules = CombineRules {
        conflicts: vec![("bald".to_owned(), "hair".to_owned())],
        ..CombineRules::default()
    };
    let made: HashSet<String> = combine(&set, &rules).unwrap().map(|c| c.text).collect();
    assert_eq!(made.len(), 12 - 2);
    assert!(!made.contains("neon robot, neon edges"), "a shared word");
    assert!(!made.contains("bald monk, long hair"), "a conflict");
    assert!(made.contains("bald monk, oil painting"));

    let rules = CombineRules {
        max_words: 3,
        ..CombineRules::default()
    };
    assert_eq!(combine(&set, &rules).unwrap().count(), 0);
    let mut rules = CombineRules::default();
    rules.pairs[0].template = "{a} only".to_owned();
    assert!(matches!(
        combine(&set, &rules).err(),
        Some(Error::BadPairRule { .. })
    ));
}

/// Synonyms share a number, and a text is the set of its numbers.
fn embed(texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
    let synonyms = [
        ["zombie", "undead"],
        ["oil", "oils"],
        ["sketch", "drawing"],
        ["hair", "locks"],
    ];
    Ok(texts
        .iter()
        .map(|text| {
            let normal = normalise(text);
            let mut vector = vec![0.0; 64];
            for word in normal.split(' ') {
                let place = synonyms
                    .iter()
                    .position(|group| group.contains(&word))
                    .unwrap_or_else(|| {
                        4 + word
                            .bytes()
                            .fold(7usize, |h, b| h.wrapping_mul(31) + usize::from(b))
                            % 60
                    });
                vector[place] = 1.0;
            }
            vector
        })
        .collect())
}

#[test]
fn planted_leaks_are_found() {
    let mut set = PromptSet::default();
    let art: Vec<String> = ["charcoal sketch", "Batik", "stained glass", "oil painting"]
        .map(str::to_owned)
        .into();
    set.add(Category::Art, &art, &Screening::default());
    set.concepts[0].split = Split::Test;
    let other = ["drawing with burnt wood".to_owned()];
    set.add_paraphrases(0, &other, &Screening::default());
    let check = LeakCheck::new(&set, LeakSettings::default());

    let likeness = |text: &str| check.text(text).map(|leak| leak.likeness);
    assert_eq!(likeness("The Charcoal-Sketch!"), Some(Likeness::Same));
    assert_eq!(likeness("sketches in charcoal"), Some(Likeness::SameWords));
    assert_eq!(
        likeness("zombie, charcoal sketch"),
        Some(Likeness::Contained)
    );
    assert_eq!(likeness("Drawing with burnt wood"), Some(Likeness::Same));
    assert_eq!(
        likeness("zombie, drawing with burnt wood"),
        Some(Likeness::Contained)
    );
    // As a part, too, up to plurals.
    for part in [
        "detailed charcoal sketches",
        "zombie, charcoals sketches",
        "drawings with burnt wood on a wall",
    ] {
        assert_eq!(likeness(part), Some(Likeness::Contained), "{part}");
    }
    for good in [
        "charcoal",
        "sketch",
        "charcoal painting",
        "oil painting",
        "zombie, Batik",
    ] {
        assert_eq!(likeness(good), None, "{good}");
    }
    // A paraphrase that shares no word in this place is found by its vector only.
    assert_eq!(likeness("charcoal drawing"), None);
    let texts = [
        "Batik",
        "charcoal drawing",
        "stained glass",
        "a charcoal sketch",
    ];
    let leaks = check.near(texts, &embed).unwrap();
    let found: Vec<&str> = leaks.iter().map(|leak| leak.text.as_str()).collect();
    assert_eq!(found, ["a charcoal sketch", "charcoal drawing"]);
    assert!(matches!(leaks[1].likeness, Likeness::Near(cosine) if cosine > 0.99));
    assert_eq!(leaks[1].held_out.concept, "charcoal sketch");

    // Parts can be ignored.
    let strict = LeakSettings {
        contained: false,
        ..LeakSettings::default()
    };
    assert!(
        LeakCheck::new(&set, strict)
            .text("zombie, charcoal sketch")
            .is_none()
    );
}

#[test]
fn combinations_that_leak_are_left_out_before_the_draw() {
    let mut set = PromptSet::default();
    for (category, texts) in [
        (
            Category::Character,
            ["astronaut", "zombie", "astronaut with grey hair"],
        ),
        (Category::Facial, ["grey hair", "thick beard", "older age"]),
    ] {
        let texts = texts.map(str::to_owned);
        assert!(set.add(category, &texts, &Screening::default()).is_empty());
    }
    set.concepts[2].split = Split::Test;
    let check = LeakCheck::new(&set, LeakSettings::default());
    let keep = |combination: &Combination| check.text(&combination.text).is_none();
    let rules = |limit| CombineRules {
        limit,
        ..CombineRules::default()
    };
    assert_eq!(combine(&set, &rules(None)).unwrap().count(), 6);
    // As many as asked for, since the leak is out before they are drawn.
    for limit in [None, Some(5)] {
        let kept: Vec<_> = combine_where(&set, &rules(limit), &keep).unwrap().collect();
        assert_eq!(kept.len(), 5);
        assert!(kept.iter().all(|c| c.text != "astronaut, grey hair"));
    }
}

#[test]
fn training_concepts_that_leak_are_dropped() {
    let mut set = PromptSet::default();
    let art = ["oil painting", "teal oil painting", "Batik"].map(str::to_owned);
    set.add(Category::Art, &art, &Screening::default());
    set.add_paraphrases(
        2,
        &[
            "Indonesian dyed oil painting".to_owned(),
            "wax dye".to_owned(),
        ],
        &Screening::default(),
    );
    set.concepts[0].split = Split::Test;
    let removed = set.drop_leaks(&LeakSettings::default(), None).unwrap();
    assert_eq!(
        removed,
        ["teal oil painting", "Indonesian dyed oil painting"]
    );
    assert_eq!(set.concepts.len(), 2);
    assert_eq!(set.concepts[1].paraphrases, ["wax dye"]);

    // By meaning, too.
    set.concepts[0].text = "charcoal sketch".to_owned();
    let art = ["charcoal drawing", "mosaic"].map(str::to_owned);
    set.add(Category::Art, &art, &Screening::default());
    let by_words = set.drop_leaks(&LeakSettings::default(), None).unwrap();
    assert!(by_words.is_empty(), "{by_words:?}");
    let removed = set
        .drop_leaks(&LeakSettings::default(), Some(&embed))
        .unwrap();
    assert_eq!(removed, ["charcoal drawing"]);
}

#[test]
fn the_first_of_near_duplicates_is_kept() {
    let mut set = PromptSet::default();
    let texts = ["undead nurse", "zombie nurse", "zombie sailor"].map(str::to_owned);
    set.add(Category::Character, &texts, &Screening::default());
    let dropped = set.drop_near(&embed, 0.95).unwrap();
    assert_eq!(dropped.len(), 1);
    assert_eq!(
        (dropped[0].text.as_str(), &dropped[0].reason),
        ("zombie nurse", &Reason::NearDuplicate)
    );
    assert_eq!(set.concepts.len(), 2);
    let short = |_: &[&str]| Ok(vec![vec![1.0]]);
    assert!(set.drop_near(&short, 0.9).is_err());
}

#[test]
fn sets_are_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.json");
    let set = paper();
    set.write(&path).unwrap();
    assert_eq!(PromptSet::read(&path).unwrap(), set);
    std::fs::write(&path, "{\"concepts\": 3}").unwrap();
    let error = PromptSet::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("set.json") && error.contains("line 1"),
        "{error}"
    );
}
