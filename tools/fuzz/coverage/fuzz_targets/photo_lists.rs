//! Lists about photos: face boxes (0), identities (1), the manifest of prepared photos (2).
#![no_main]

use std::sync::LazyLock;

use concepts::prepare::{FaceBoxes, Identities, Manifest};
use coverage_fuzzers::{Scratch, mutate_after_first, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let Some((first, content)) = data.split_first() else {
        return;
    };
    let path = SCRATCH.write("list.json", content);
    let again = SCRATCH.dir().join("again.json");
    match first % 3 {
        0 => {
            if let Some(boxes) = twice(|| FaceBoxes::read(&path)) {
                written(boxes.write(&again));
                assert_eq!(written(FaceBoxes::read(&again)), boxes);
            }
        }
        1 => drop(twice(|| Identities::read(&path))),
        _ => {
            if let Some(manifest) = twice(|| Manifest::read(&path)) {
                SCRATCH.write("again.json", &written(serde_json::to_vec(&manifest)));
                assert_eq!(written(Manifest::read(&again)), manifest);
            }
        }
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
