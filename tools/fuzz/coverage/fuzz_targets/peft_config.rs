//! PEFT's `adapter_config.json`.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, mutate, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use lora_gan::fuzzing::adapter_config;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("adapter_config.json", data);
    twice(|| adapter_config(&path, "encoder.0.conv"));
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
