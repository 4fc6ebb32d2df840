//! PEFT's `adapter_config.json`.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, mutate, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use lora_gan::fuzzing::adapter_config;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("adapter_config.json", data);
    let Some(text) = twice(|| adapter_config(&path, "encoder.0.conv")) else {
        return;
    };
    // The alpha of the module, and the fields.
    let (_, config): (f64, serde_json::Value) = written(serde_json::from_str(&text));
    let path = SCRATCH.write("again.json", config.to_string().as_bytes());
    assert_eq!(written(adapter_config(&path, "encoder.0.conv")), text);
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
