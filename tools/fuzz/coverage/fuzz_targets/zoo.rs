//! A zoo of two concepts: its manifest (0), a record (1), a shard whose digest is right (2) or not (3).
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use coverage_fuzzers::{Folder, Scratch, accepted, mutate_after_first, written};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use tensor_file::digest::sha256_hex;
use weight_blocks::{
    BlockReader, Checkpoint, ConceptRecord, GroupingRule, HostTensor, LayerGroup, LayerKind,
    Layout, NamedTensors, TensorRole, TensorSpec, Zoo,
};

const RECORD: &str = "concepts/b.json";
const SHARD: &str = "concepts/b.safetensors";

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let scratch = Scratch::new();
    valid(scratch.dir());
    let files = ["zoo.json", RECORD, SHARD, SHARD].map(|name| {
        let bytes = std::fs::read(scratch.dir().join(name)).expect("a file of the zoo");
        (name.to_owned(), bytes)
    });
    Folder::new(scratch, files.into())
});

fn layout() -> Layout {
    let spec = |name: &str, shape: [usize; 2], role| TensorSpec {
        name: format!("fc.{name}.weight"),
        shape: shape.to_vec(),
        role,
    };
    let group = LayerGroup {
        name: "fc".into(),
        kind: LayerKind::Linear,
        tensors: vec![
            spec("lora_A", [2, 5], TensorRole::Down),
            spec("lora_B", [3, 2], TensorRole::Up),
        ],
    };
    written(Layout::new("tiny", vec![group], GroupingRule::Appended, 4))
}

fn valid(dir: &Path) {
    let layout = layout();
    let mut zoo = written(Zoo::create(dir, &layout, "base"));
    let weights: NamedTensors = (layout.tensors())
        .map(|spec| {
            let count = spec.shape.iter().product();
            let tensor = written(HostTensor::new(spec.shape.clone(), vec![0.5; count]));
            (spec.name.clone(), tensor)
        })
        .collect();
    for concept in ["a", "b"] {
        let record = ConceptRecord {
            concept: concept.into(),
            prompt: format!("a {concept}"),
            seed: 7,
            recipe: serde_json::json!({"epochs": 3}),
            checkpoints: vec![Checkpoint {
                epoch: 1,
                metrics: BTreeMap::new(),
            }],
        };
        written(zoo.append(&record, std::slice::from_ref(&weights)));
    }
}

/// Puts the shard's digest into its record, in place.
fn reseal(dir: &Path, shard: &[u8]) {
    let path = dir.join(RECORD);
    let mut record = std::fs::read_to_string(&path).expect("the record");
    let at = record.find("\"sha256\": \"").expect("a digest") + 11;
    record.replace_range(at..at + 64, &sha256_hex(shard));
    std::fs::write(path, record).expect("the record");
}

fn read(dir: &Path) {
    let Some(zoo) = accepted(Zoo::open(dir)) else {
        return;
    };
    let again = written(Zoo::open(dir));
    assert_eq!(zoo.entries(), again.entries());
    let layout = zoo.layout();
    let text = written(serde_json::to_string(layout));
    assert_eq!(
        written(serde_json::from_str::<Layout>(&text)).digest(),
        layout.digest()
    );
    let mut blocks = BlockReader::new(&zoo, 1);
    for entry in zoo.entries().iter().take(3) {
        let Some(weights) = accepted(zoo.load(entry)) else {
            continue;
        };
        let size = layout.block_size();
        if layout.encoded_len() > 1 << 12 {
            continue;
        }
        let encoded = written(layout.encode(&weights));
        assert_eq!(encoded.len(), layout.encoded_len());
        assert_eq!(written(layout.decode(&encoded)), weights);
        let mut block = vec![0.0; size];
        for n in 0..layout.blocks() {
            if accepted(blocks.read(entry, n, &mut block)).is_some() {
                assert_eq!(block, encoded[n * size..(n + 1) * size]);
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    FOLDER.with(data, |dir, name, content| {
        let sealed = name == SHARD && data[0] % 4 == 2;
        if sealed {
            reseal(dir, content);
        }
        read(dir);
        if sealed {
            let valid = std::fs::read(dir.join("concepts/a.safetensors")).expect("a shard");
            reseal(dir, &valid);
        }
    });
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate_after_first(data, size, max_size, seed)
});
