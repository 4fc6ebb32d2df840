//! The seeded shuffle behind both splits.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Fisher-Yates with ChaCha8, written out so that no release of a random-number library moves a concept or a photo
/// from one split to another. The modulo's bias is below 2^-50 for any list that fits in memory here.
pub(crate) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..items.len()).rev() {
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        items.swap(last, other);
    }
}

/// Knuth's algorithm S: exactly `wanted` of `total` items that come one by one, each set equally likely.
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
