//! The concepts that results are checked on after everything is chosen.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use concepts::Split;
use denoised_weights::pairs::{ConceptDraws, concepts_of};

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

/// Draws again what the trainings of the shipped models drew (docs/results.md, "How the shipped models were made").
#[test]
fn the_shipped_models_were_trained_on_no_held_out_concept() {
    let held_out = [Split::Validation, Split::Test].map(concepts_of).concat();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test_concepts.json");
    let held_out = [held_out, concepts::read_concepts(path.as_ref()).unwrap()].concat();
    let names: BTreeSet<BTreeSet<String>> = held_out.iter().map(|c| words(&c.prompt)).collect();

    let all = |seed| ConceptDraws::endless(concepts_of(Split::Train), seed);
    let seen = |draws: &ConceptDraws, steps: RangeInclusive<u64>, per_step: u64| -> usize {
        let numbers = steps.flat_map(|step| (0..per_step).map(move |n| (step, n)));
        let drawn = numbers.map(|(step, number)| draws.draw(step, number).unwrap());
        let prompts = drawn.flat_map(|d| [words(&d.prompt), words(&d.concept.prompt)]);
        prompts.filter(|prompt| names.contains(prompt)).count()
    };
    std::thread::scope(|scope| {
        // Seed, stage, steps and draws per step. `compact`: the base, in halves, and the refinement. `photo`: three bases, of
        // which the second draws a part of what the first draws, and two refinements.
        let stages = [
            (0, 0, 1..=4000, 16),
            (0, 0, 4001..=8000, 16),
            (0, 1, 1..=9000, 4),
            (0, 2, 1..=1200, 16),
            (1, 2, 1..=700, 8),
            (0, 3, 1..=1700, 4),
            (1, 3, 1..=1000, 4),
        ];
        let stages = stages.map(|(seed, stage, steps, per_step)| {
            let draws = all(seed).without(&held_out).for_stage(stage);
            scope.spawn(move || seen(&draws, steps, per_step))
        });
        for stage in stages {
            assert_eq!(stage.join().unwrap(), 0);
        }
    });
    // The comparison finds them in what is drawn if nothing is left out.
    assert!(seen(&all(0), 1..=500, 16) > 10);
}

/// The words of a prompt, whatever their order.
fn words(prompt: &str) -> BTreeSet<String> {
    let words = prompt.split(|c: char| !c.is_alphanumeric());
    words.map(str::to_lowercase).collect()
}
