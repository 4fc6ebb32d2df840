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
