//! The fixed split of the shipped list.

use std::collections::HashMap;

use crate::{Concept, Split, random};

/// The seed of the shuffle that chose the test and validation concepts.
const SPLIT_SEED: u64 = 2024;

/// The number of concepts that a draw holds out.
pub(super) struct Draw {
    test: usize,
    validation: usize,
}

/// The draw from the list as it first was.
pub(super) const FIRST_DRAW: Draw = Draw {
    test: 20,
    validation: 12,
};

/// The draw from the later additions.
pub(super) const SECOND_DRAW: Draw = Draw {
    test: 6,
    validation: 6,
};

/// Marks test and then validation concepts among those from `first` on, in shuffled order. Skips a concept if one of its
/// words would be left without a training prompt.
pub(super) fn assign(concepts: &mut [Concept], first: usize, draw: &Draw) {
    let mut in_training: HashMap<String, usize> = HashMap::new();
    for concept in (concepts.iter()).filter(|concept| concept.split == Split::Train) {
        for word in words(&concept.prompt) {
            *in_training.entry(word.to_owned()).or_default() += 1;
        }
    }
    let mut order: Vec<usize> = (first..concepts.len()).collect();
    random::shuffle(&mut order, SPLIT_SEED);

    let mut held_out = 0;
    for index in order {
        if held_out == draw.test + draw.validation {
            break;
        }
        let concept = &mut concepts[index];
        // No prompt repeats a word, so a count above 1 means another training prompt.
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
        concept.split = if held_out < draw.test {
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
