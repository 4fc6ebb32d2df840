//! Prompt sets.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, mutate, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use prompt_sets::PromptSet;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("set.json", data);
    let Some(set) = twice(|| PromptSet::read(&path)) else {
        return;
    };
    let again = SCRATCH.dir().join("again.json");
    written(set.write(&again));
    assert_eq!(written(PromptSet::read(&again)), set);
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
