//! Features in `.npz` files, as `clean-fid` reads and writes them.
#![no_main]

use std::sync::LazyLock;

use clean_fid::FeatureSet;
use coverage_fuzzers::{Scratch, mutate, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("features.npz", data);
    let Some(features) = twice(|| FeatureSet::load(&path)) else {
        return;
    };
    assert!(features.rows().all(|row| row.len() == features.width()));
    let again = SCRATCH.dir().join("again.npz");
    written(features.save(&again));
    assert_eq!(written(FeatureSet::load(&again)), features);
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
