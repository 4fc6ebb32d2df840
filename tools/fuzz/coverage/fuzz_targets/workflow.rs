//! ComfyUI workflows.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, mutate, twice};
use image_editors::Workflow;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("workflow.json", data);
    let variables = BTreeMap::from([(
        "checkpoint".to_owned(),
        "{{x}} \"y\".safetensors".to_owned(),
    )]);
    twice(|| Workflow::read(&path, &variables));
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
