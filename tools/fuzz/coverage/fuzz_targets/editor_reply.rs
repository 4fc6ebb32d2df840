//! Replies of editing servers: web UI (0), inference endpoint (1), ComfyUI with any node (2) and one node (3).
#![no_main]

use coverage_fuzzers::{accepted, mutate_after_first};
use image_editors::fuzzing::{comfy, inference, webui};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

const ID: &str = "id";

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    match first % 4 {
        0 => drop(accepted(webui(body))),
        1 => drop(accepted(inference(body))),
        2 => comfy(body, ID, None)
            .into_iter()
            .for_each(|read| drop(accepted(read))),
        _ => comfy(body, ID, Some("9"))
            .into_iter()
            .for_each(|read| drop(accepted(read))),
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
