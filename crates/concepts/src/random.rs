//! The seeded shuffle behind every split.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Shuffles `items` (Fisher–Yates with ChaCha8). The algorithm is written out here so that no release of a random-number
/// library moves a concept or a photo from one split to another. The bias of the modulo is below 2^-50 for any list that
/// fits in memory.
///
/// ```
/// let mut items = [1, 2, 3, 4, 5];
/// concepts::random::shuffle(&mut items, 7);
/// let mut again = [1, 2, 3, 4, 5];
/// concepts::random::shuffle(&mut again, 7);
/// assert_eq!(items, again);
/// ```
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..items.len()).rev() {
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        items.swap(last, other);
    }
}
