//! The journal of a chat model's answers.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, mutate, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use prompt_sets::generate::Journal;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("answers.jsonl", data);
    // The first opening removes an incomplete last line; the second finds the same answers.
    let opened = twice(|| Journal::open(&path).map(|journal| (journal.len(), journal.spent())));
    if opened.is_some() {
        let kept = std::fs::read(&path).expect("the journal");
        assert!(data.starts_with(&kept), "a complete line was changed");
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
