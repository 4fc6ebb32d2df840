//! Entries of the cache of embeddings.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, catching, mutate, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use text_encoder::{CachedEncoder, EncodedPrompt, StaticEncoder, TextEncoder};
use text_encoder::{TOKENIZER_FILE, WEIGHTS_FILE};

const TABLE: &[u8] = include_bytes!("../seeds/static_encoder/table");
const TOKENIZER: &[u8] = include_bytes!("../seeds/static_encoder/tokenizer");
const PROMPT: &str = "red";

struct Cached {
    encoder: CachedEncoder<StaticEncoder>,
    right: Vec<EncodedPrompt>,
}

static CACHED: LazyLock<Cached> = LazyLock::new(|| {
    let scratch = Scratch::new();
    scratch.write(WEIGHTS_FILE, &TABLE[1..]);
    scratch.write(TOKENIZER_FILE, &TOKENIZER[1..]);
    let encoder = written(StaticEncoder::from_dir(scratch.dir()));
    let encoder = written(CachedEncoder::new(encoder, scratch.dir()));
    let right = written(encoder.encode(&[PROMPT]));
    Cached { encoder, right }
});

fuzz_target!(|data: &[u8]| {
    catching(|| {
        let Cached { encoder, right } = &*CACHED;
        std::fs::write(encoder.entry_path(PROMPT), data).expect("an entry");
        // A damaged entry is computed again.
        assert_eq!(written(encoder.encode(&[PROMPT])), *right);
    });
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
