//! Statistics of features in `.npz` files, as `clean-fid` reads and writes them.
#![no_main]

use std::sync::LazyLock;

use clean_fid::FeatureStatistics;
use coverage_fuzzers::{Scratch, mutate, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("statistics.npz", data);
    let Some(statistics) = twice(|| FeatureStatistics::load(&path)) else {
        return;
    };
    assert_eq!(statistics.covariance().len(), statistics.width().pow(2));
    let again = SCRATCH.dir().join("again.npz");
    written(statistics.save(&again));
    assert_eq!(written(FeatureStatistics::load(&again)), statistics);
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
