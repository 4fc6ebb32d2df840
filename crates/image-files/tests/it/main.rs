//! Folders, damaged files and colour profiles.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod colours;
mod cut;
mod folders;

use std::path::PathBuf;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(path).unwrap()
}
