//! One way of saying what a drawn edit does.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::colours::Colour;

/// Chooses among words that mean the same.
pub(super) struct Wording<'a>(Option<&'a mut ChaCha8Rng>);

impl<'a> Wording<'a> {
    /// Always takes the usual words.
    pub(super) fn usual() -> Self {
        Self(None)
    }

    /// Takes any of the words.
    pub(super) fn any(random: &'a mut ChaCha8Rng) -> Self {
        Self(Some(random))
    }

    /// One of `words`; the first is the usual one.
    pub(super) fn choose<'w>(&mut self, words: &[&'w str]) -> &'w str {
        match &mut self.0 {
            Some(random) => words[below(random, words.len())],
            None => words[0],
        }
    }

    pub(super) fn colour(&mut self, colour: Colour) -> String {
        self.choose(colour.words).to_owned()
    }
}

/// A number below `bound`, which is not 0. As in [`shuffle`](crate::random::shuffle), the algorithm is written out so that
/// no release of a random-number library changes what a seed draws.
pub(super) fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    (random.next_u64() % bound as u64) as usize
}

/// One of `items`, of which there is at least one.
pub(super) fn one_of<'i, T>(random: &mut ChaCha8Rng, items: &'i [T]) -> &'i T {
    &items[below(random, items.len())]
}

/// True in `percent` of 100 cases.
pub(super) fn chance(random: &mut ChaCha8Rng, percent: usize) -> bool {
    below(random, 100) < percent
}
