//! The fixed split of the shipped list.

use std::collections::HashMap;

use crate::{Concept, Split, random};

/// The seed of the shuffle that chose the test and validation concepts.
pub const SPLIT_SEED: u64 = 2024;

/// Number of test concepts in [`art_concepts`](crate::art_concepts).
pub const TEST_CONCEPTS: usize = 20;

/// Number of validation concepts in [`art_concepts`](crate::art_concepts).
pub const VALIDATION_CONCEPTS: usize = 12;

/// Marks test and then validation concepts, in shuffled order; passes over a concept one of whose words no prompt
/// that is still for training would have.
pub(super) fn assign(concepts: &mut [Concept]) {
    let mut in_training: HashMap<String, usize> = HashMap::new();
    for concept in concepts.iter() {
        for word in words(&concept.prompt) {
            *in_training.entry(word.to_owned()).or_default() += 1;
        }
    }
    let mut order: Vec<usize> = (0..concepts.len()).collect();
    random::shuffle(&mut order, SPLIT_SEED);

    let mut held_out = 0;
    for index in order {
        if held_out == TEST_CONCEPTS + VALIDATION_CONCEPTS {
            break;
        }
        let concept = &mut concepts[index];
        // No prompt has a word twice, so a count above 1 means another training prompt.
        let is_last =
            words(&concept.prompt).any(|word| in_training.get(word).is_none_or(|&n| n < 2));
        if is_last {
            continue;
        }
        for word in words(&concept.prompt) {
            if let Some(count) = in_training.get_mut(word) {
                *count -= 1;
            }
        }
        concept.split = if held_out < TEST_CONCEPTS {
            Split::Test
        } else {
            Split::Validation
        };
        held_out += 1;
    }
}

fn words(prompt: &str) -> impl Iterator<Item = &str> {
    prompt.split(' ')
}
