//! The texts that a chat model gets: `system.txt` (0), `generate.txt` (1), `paraphrase.txt` (2), `art.txt` (3).
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Folder, Scratch, mutate_after_first, twice};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use prompt_sets::generate::Templates;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let files = [
        ("system.txt", &b"You write lists.\n"[..]),
        ("generate.txt", b"{count} entries of {category}\n"),
        ("paraphrase.txt", b"{count} other words for {concept}\n"),
        ("art.txt", b"styles\n"),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Folder::new(Scratch::new(), files.into())
});

fuzz_target!(|data: &[u8]| {
    FOLDER.with(data, |dir, _, _| drop(twice(|| Templates::read(dir))));
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
