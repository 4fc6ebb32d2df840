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
