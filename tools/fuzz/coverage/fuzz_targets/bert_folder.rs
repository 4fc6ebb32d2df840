//! Everything of a sentence-transformers folder but the weights: configuration and tokenizer.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Folder, Scratch, catching, mutate_after_first, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use text_encoder::fuzzing::bert_folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let files = [
        (
            "config.json",
            &include_bytes!("../../../../crates/text-encoder/tests/fixtures/bert/config.json")[..],
        ),
        (
            "sentence_bert_config.json",
            &include_bytes!(
                "../../../../crates/text-encoder/tests/fixtures/bert/sentence_bert_config.json"
            )[..],
        ),
        (
            "1_Pooling/config.json",
            &include_bytes!(
                "../../../../crates/text-encoder/tests/fixtures/bert/1_Pooling/config.json"
            )[..],
        ),
        (
            "modules.json",
            &include_bytes!("../../../../crates/text-encoder/tests/fixtures/bert/modules.json")[..],
        ),
        (
            "vocab.txt",
            &include_bytes!("../../../../crates/text-encoder/tests/fixtures/older/vocab.txt")[..],
        ),
        (
            "tokenizer_config.json",
            &include_bytes!(
                "../../../../crates/text-encoder/tests/fixtures/bert/tokenizer_config.json"
            )[..],
        ),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Folder::new(Scratch::new(), files.into())
});

const PROMPTS: [&str; 2] = ["charcoal sketch, 12.5% wow!", "x"];

fuzz_target!(|data: &[u8]| {
    catching(|| FOLDER.with(data, |dir, _, _| drop(twice(|| bert_folder(dir, &PROMPTS)))));
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
