//! Mutations of libFuzzer, and now and then one that knows the format.

use fuzz_harness::Mutator;

/// How many mutations come from libFuzzer for each that knows the format.
const PLAIN: u32 = 15;

/// For `fuzz_mutator!`: mostly libFuzzer's own mutations, which use its dictionary and the comparisons that it saw; else one
/// of the property harness, which keeps checksums, lengths and digests right.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed.is_multiple_of(PLAIN + 1) {
        let mut bytes = data[..size].to_vec();
        let _ = (Mutator::new(u64::from(seed), 0).with_largest(max_size)).file(&mut bytes, &[]);
        if (1..=max_size).contains(&bytes.len()) && bytes != data[..size] {
            data[..bytes.len()].copy_from_slice(&bytes);
            return bytes.len();
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
}

/// [`mutate`] for a [`Folder`](crate::Folder): the first byte, which chooses the file, mostly stays.
pub fn mutate_after_first(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if size < 2 || seed.is_multiple_of(64) {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    1 + mutate(&mut data[1..], size - 1, max_size - 1, seed / 64)
}
