//! Lists of editors, and the editors that they describe.
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Scratch, accepted, mutate, twice, written};
use image_editors::{EditorApi, EditorConfig};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| {
    let path = SCRATCH.write("editors.json", data);
    let Some(editors) = twice(|| EditorConfig::read_list(&path)) else {
        return;
    };
    let path = SCRATCH.write("again.json", &written(serde_json::to_vec(&editors)));
    assert_eq!(written(EditorConfig::read_list(&path)), editors);
    for editor in editors.iter().take(2) {
        // A workflow may be the path of any file.
        let shipped = match &editor.api {
            EditorApi::Comfy(comfy) => comfy.workflow.as_os_str() == "instruct_pix2pix",
            _ => true,
        };
        if shipped && let Some(open) = accepted(editor.open(&Default::default())) {
            assert_eq!(open.name(), editor.name);
        }
    }
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
