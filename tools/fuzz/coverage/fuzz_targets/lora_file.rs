//! LoRA files of other tools.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, accepted, mutate, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use weight_blocks::{GroupingRule, Layout, LoraFile, WeightSpace};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("lora.safetensors", data);
    let Some(file) = twice(|| LoraFile::open(&path)) else {
        return;
    };
    let weights = written(file.read_weights());
    let layout = Layout::new("file", file.layer_groups(), GroupingRule::Concatenated, 16);
    if let Some(layout) = accepted(layout) {
        let encoded = written(layout.encode(&weights));
        assert_eq!(written(layout.decode(&encoded)), weights);
    }
    let again = SCRATCH.dir().join("again.safetensors");
    written(file.save(&again));
    assert_eq!(written(LoraFile::open(&again)), file);
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
