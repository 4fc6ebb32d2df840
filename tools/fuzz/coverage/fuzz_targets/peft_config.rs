//! PEFT's `adapter_config.json`.
#![no_main]

use coverage_fuzzers::{accepted, mutate, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use weight_blocks::peft::AdapterConfig;

fuzz_target!(|data: &[u8]| {
    let Some(config) = twice(|| AdapterConfig::parse(data)) else {
        return;
    };
    for module in ["encoder.0.conv", "k_proj", ""] {
        if let Some(alpha) = accepted(config.alpha_of(module)) {
            assert!(alpha.is_finite(), "alpha {alpha}");
        }
        accepted(config.scale(module, 8));
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
