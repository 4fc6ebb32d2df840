//! Every reader of the workspace on mutated files: no panic, no hang, no memory beyond the file's.
//!
//! `cargo test --release --workspace --test hostile_files -- --nocapture` spends `FUZZ_SECONDS`
//! (50) on all targets together; `FUZZ_SEED`, `FUZZ_TARGET=name` and `FUZZ_CASE=number` narrow it.
//! `docs/reliability.md` says what is checked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod run;
mod targets;

use cap::Cap;
use peak_alloc::PeakAlloc;

/// What no case may ask for at once; a reader that does ends the process, and its files stay.
const CEILING: usize = 6 << 30;

#[global_allocator]
static ALLOCATOR: Cap<PeakAlloc> = Cap::new(PeakAlloc, CEILING);

#[test]
fn readers_survive_hostile_files() {
    let report = run::run(&mut targets::all());
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}");
}
