//! A static encoder's table (0) and tokenizer (1).
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Folder, Scratch, accepted, catching, mutate_after_first, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use text_encoder::{StaticEncoder, TOKENIZER_FILE, TextEncoder, WEIGHTS_FILE};

const TABLE: &[u8] = include_bytes!("../seeds/static_encoder/table");
const TOKENIZER: &[u8] = include_bytes!("../seeds/static_encoder/tokenizer");

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    // The first byte of a seed is its number.
    let files = [
        (WEIGHTS_FILE, &TABLE[1..]),
        (TOKENIZER_FILE, &TOKENIZER[1..]),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Folder::new(Scratch::new(), files.into())
});

const PROMPTS: [&str; 2] = ["charcoal sketch, 12.5% wow!", "red"];

fuzz_target!(|data: &[u8]| {
    catching(|| {
        FOLDER.with(data, |dir, _, _| {
            let Some(encoder) = accepted(StaticEncoder::from_dir(dir)) else {
                return;
            };
            let Some(prompts) = twice(|| encoder.encode(&PROMPTS)) else {
                return;
            };
            for prompt in prompts {
                assert!(prompt.len >= 1 && prompt.len <= encoder.max_tokens());
                assert_eq!(prompt.tokens.len(), prompt.len * encoder.width());
                assert_eq!(prompt.pooled.len(), encoder.pooled_width());
                assert!(
                    prompt
                        .tokens
                        .iter()
                        .chain(&prompt.pooled)
                        .all(|v| v.is_finite())
                );
            }
        });
    });
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
