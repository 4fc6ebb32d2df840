//! pix2pix, Co-Mod-GAN and the gradient penalties against PyTorch (`tools/gan_fixtures.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

mod comod;
mod penalties;
mod pix2pix;
mod state_dict;

use std::path::{Path, PathBuf};

use test_parity::Fixture;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn fixture(name: &str) -> Fixture {
    Fixture::load(&path(name))
}
