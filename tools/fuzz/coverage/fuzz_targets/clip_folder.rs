//! Everything of a CLIP folder but the weights: configuration and tokenizer.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Folder, Scratch, catching, mutate_after_first, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use text_encoder::fuzzing::clip_folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let files = [
        (
            "config.json",
            &include_bytes!("../../../../crates/text-encoder/tests/fixtures/clip-sd2/config.json")
                [..],
        ),
        (
            "vocab.json",
            &include_bytes!("../../../../crates/text-encoder/tests/fixtures/clip-sd2/vocab.json")[..],
        ),
        (
            "merges.txt",
            &include_bytes!("../../../../crates/text-encoder/tests/fixtures/clip-sd2/merges.txt")[..],
        ),
        (
            "tokenizer_config.json",
            &include_bytes!(
                "../../../../crates/text-encoder/tests/fixtures/clip-sd2/tokenizer_config.json"
            )[..],
        ),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Folder::new(Scratch::new(), files.into())
});

const PROMPTS: [&str; 2] = ["charcoal sketch, 12.5% wow!", "x"];

fuzz_target!(|data: &[u8]| {
    catching(|| FOLDER.with(data, |dir, _, _| drop(twice(|| clip_folder(dir, &PROMPTS)))));
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
