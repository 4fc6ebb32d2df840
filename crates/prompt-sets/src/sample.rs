//! A seeded sample of a stream.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Knuth's algorithm S: exactly `wanted` of `total` items that arrive one by one, every subset equally likely.
pub(crate) struct Sample {
    wanted: u64,
    left: u64,
    rng: ChaCha8Rng,
}

impl Sample {
    pub(crate) fn new(wanted: usize, total: usize, seed: u64) -> Self {
        Self {
            wanted: wanted as u64,
            left: total as u64,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Whether the next item is in the sample.
    pub(crate) fn take_next(&mut self) -> bool {
        let take = self.left > 0 && self.rng.next_u64() % self.left < self.wanted;
        self.left = self.left.saturating_sub(1);
        self.wanted -= u64::from(take);
        take
    }
}
