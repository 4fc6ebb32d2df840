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
