//! A chat server's reply (0), and the list in a model's answer (1), an answer that was cut (2).
#![no_main]

use coverage_fuzzers::{mutate_after_first, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use prompt_sets::fuzzing::{completion, entries};
use prompt_sets::screen::Screening;
use prompt_sets::{Category, PromptSet};

const MOST: usize = 20;

/// The concepts that a set gets from an answer.
fn concepts(text: &str, cut: bool) -> PromptSet {
    let list = entries(text, cut, MOST);
    assert!(list.len() <= MOST);
    let mut set = PromptSet::default();
    let dropped = set.add(Category::Art, &list, &Screening::default());
    assert_eq!(set.concepts.len() + dropped.len(), list.len());
    set
}

fuzz_target!(|data: &[u8]| {
    let Some((first, content)) = data.split_first() else {
        return;
    };
    if first % 3 == 0 {
        if let Some(reply) = twice(|| completion(content)) {
            concepts(&reply.text, reply.cut);
        }
    } else if let Ok(text) = std::str::from_utf8(content) {
        let set = concepts(text, first % 3 == 2);
        // What was taken is taken again from a plain list of it.
        let list: Vec<&str> = set.concepts.iter().map(|c| c.text.as_str()).collect();
        for text in &list {
            assert!(!text.trim().is_empty());
            assert!(!text.contains(['\n', '\r']), "{text:?}");
        }
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
