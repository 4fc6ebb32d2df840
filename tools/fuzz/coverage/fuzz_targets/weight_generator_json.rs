//! The manifest of a weight generator, beside weights of 1 MB.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, mutate, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use weight_diffusion::WeightGenerator;
use weight_diffusion::fuzzing::manifest;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(|| {
    let scratch = Scratch::new();
    scratch.write(WeightGenerator::WEIGHTS_FILE, &vec![0; 1 << 20]);
    scratch
});

fuzz_target!(|data: &[u8]| {
    SCRATCH.write(WeightGenerator::CONFIG_FILE, data);
    let Some(text) = twice(|| manifest(SCRATCH.dir())) else {
        return;
    };
    SCRATCH.write(WeightGenerator::CONFIG_FILE, text.as_bytes());
    assert_eq!(written(manifest(SCRATCH.dir())), text);
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
