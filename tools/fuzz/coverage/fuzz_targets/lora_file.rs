//! LoRA files of other tools (0), and PEFT's configuration beside one (1).
#![no_main]

use std::sync::LazyLock;

use coverage_fuzzers::{Folder, Scratch, accepted, mutate_after_first, twice, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use weight_blocks::{GroupingRule, Layout, LoraFile, WeightSpace};

const FILE: &[u8] = include_bytes!("../seeds/lora_file/peft");
const CONFIG: &[u8] = include_bytes!("../seeds/lora_file/config");
const NAME: &str = "adapter_model.safetensors";

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    // The first byte of a seed is its number.
    let files = [(NAME, &FILE[1..]), ("adapter_config.json", &CONFIG[1..])];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    Folder::new(Scratch::new(), files.into())
});

fuzz_target!(|data: &[u8]| {
    FOLDER.with(data, |dir, _, _| {
        let path = dir.join(NAME);
        let Some(file) = twice(|| LoraFile::open(&path)) else {
            return;
        };
        let weights = written(file.read_weights());
        let layout = Layout::new("file", file.layer_groups(), GroupingRule::Concatenated, 16);
        if let Some(layout) = accepted(layout) {
            let encoded = written(layout.encode(&weights));
            assert_eq!(written(layout.decode(&encoded)), weights);
        }
        let again = dir.join("again");
        // It may hold the configuration of an earlier file.
        let _ = std::fs::remove_dir_all(&again);
        std::fs::create_dir(&again).expect("a folder for the fuzzer");
        written(file.save(again.join(NAME)));
        assert_eq!(written(LoraFile::open(again.join(NAME))), file);
    });
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
