//! `tensor_file::TensorFile` on safetensors.
#![no_main]

use coverage_fuzzers::{accepted, check_tensors, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use tensor_file::TensorFile;

fuzz_target!(|data: &[u8]| {
    if let Some(file) = accepted(TensorFile::from_bytes("file", data)) {
        check_tensors(&file);
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
