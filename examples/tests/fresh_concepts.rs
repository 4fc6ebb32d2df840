//! The concepts that results are checked on after everything is chosen.
#![allow(missing_docs, clippy::unwrap_used)]

#[test]
fn the_fresh_concepts_are_in_no_list() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/fresh_concepts.json");
    let fresh = concepts::read_concepts(path.as_ref()).unwrap();
    assert_eq!(fresh.len(), 5);
    for concept in &fresh {
        for shipped in concepts::art_concepts() {
            assert!(shipped.prompt != concept.prompt && shipped.edit != concept.edit);
        }
    }
}

#[test]
fn the_test_concepts_are_drawn_by_seed_and_in_no_list() {
    use concepts::grammar::{Grammar, Region};

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test_concepts.json");
    let test = concepts::read_concepts(path.as_ref()).unwrap();
    assert_eq!(test.len(), 24);
    let regions = [Region::Training, Region::NewWords, Region::NewEdits];
    for ((part, region), seed) in test.chunks(8).zip(regions).zip(1101..) {
        let drawn = Grammar::new(region, seed).distinct(16).unwrap();
        for concept in part {
            let same = drawn
                .iter()
                .find(|drawn| drawn.concept.prompt == concept.prompt);
            assert_eq!(
                same.unwrap().concept.edit,
                concept.edit,
                "{}",
                concept.prompt
            );
        }
    }
    for shipped in concepts::art_concepts() {
        assert!(test.iter().all(|concept| concept.prompt != shipped.prompt));
    }
}

/// Replays what the trainings of the shipped models drew (`pretrain_base --steps 8000`, `refine_generator --steps 9000`, both
/// with seed 0, at a commit that left nothing out), and prints which held-out concepts of the list were among it.
#[test]
fn the_shipped_models_were_trained_on_no_test_concept() {
    use std::collections::{BTreeMap, BTreeSet};

    use concepts::Split;
    use denoised_weights::pairs::{ConceptDraws, concepts_of};

    let words = |prompt: &str| -> BTreeSet<String> {
        let words = prompt.split(|c: char| !c.is_alphanumeric());
        words.map(str::to_lowercase).collect()
    };
    let held_out = [Split::Validation, Split::Test].map(concepts_of).concat();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test_concepts.json");
    let test = concepts::read_concepts(path.as_ref()).unwrap();
    let names: BTreeMap<BTreeSet<String>, &str> = (held_out.iter().chain(&test))
        .map(|concept| (words(&concept.prompt), concept.prompt.as_str()))
        .collect();
    let draws = ConceptDraws::endless(concepts_of(Split::Train), 0);
    let count = |steps: std::ops::RangeInclusive<u64>, per_step: u64| {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (step, number) in steps.flat_map(|step| (0..per_step).map(move |n| (step, n))) {
            let drawn = draws.draw(step, number).unwrap();
            let prompts = BTreeSet::from([words(&drawn.prompt), words(&drawn.concept.prompt)]);
            for prompt in prompts.iter().filter_map(|words| names.get(words)) {
                *seen.entry(prompt).or_default() += 1;
            }
        }
        seen
    };
    // The refinement drew the first four of the base's draws again.
    let seen = std::thread::scope(|scope| {
        let parts = [(1..=4000, 16), (4001..=8000, 16), (8001..=9000, 4)];
        let parts = parts.map(|(steps, each)| scope.spawn(move || count(steps, each)));
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (prompt, times) in parts.into_iter().flat_map(|part| part.join().unwrap()) {
            *seen.entry(prompt).or_default() += times;
        }
        seen
    });
    println!(
        "{} of {} held-out concepts of the list were drawn: {seen:?}",
        seen.len(),
        held_out.len()
    );
    assert!(test.iter().all(|c| !seen.contains_key(c.prompt.as_str())));
    // The replay is the right one.
    assert_eq!(seen.get("green pencil sketch"), Some(&10));
}
