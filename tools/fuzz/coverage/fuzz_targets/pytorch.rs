//! `tensor_file::TensorFile` on PyTorch's `.pth` files, and on what it takes for one.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, accepted, check_tensors, mutate};
use fuzz_harness::pickle::MARKER;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use tensor_file::TensorFile;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("file.pth", data);
    if let Some(file) = accepted(TensorFile::open(path)) {
        check_tensors(&file);
    }
    assert!(!Path::new(MARKER).exists(), "a pickled call was run");
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
