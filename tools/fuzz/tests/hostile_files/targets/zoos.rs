//! Zoos and files of named tensors.

use std::collections::BTreeMap;
use std::path::Path;

use fuzz_harness::Folder;
use tensor_file::{load_safetensors, save_safetensors};
use weight_blocks::{
    BlockReader, Checkpoint, ConceptRecord, GroupingRule, HostTensor, LayerGroup, LayerKind,
    Layout, LoraFile, NamedTensors, Normalization, TensorRole, TensorSpec, WeightSpace, Zoo,
};
use weight_diffusion::StreamedBlocks;
use weight_diffusion::data::Statistics;
use weight_diffusion::encoded_text::EncodedPrompt;

use super::{reseal, target, text, written};
use crate::run::Target;

pub(super) const WIDTH: usize = 8;

pub(super) fn layout(rule: GroupingRule) -> Layout {
    let spec = |name: String, shape: [usize; 2], role| TensorSpec {
        name,
        shape: shape.to_vec(),
        role,
    };
    let group = |name: &str, inputs: usize, outputs: usize| LayerGroup {
        name: name.into(),
        kind: LayerKind::Linear,
        tensors: vec![
            spec(
                format!("{name}.lora_A.weight"),
                [2, inputs],
                TensorRole::Down,
            ),
            spec(
                format!("{name}.lora_B.weight"),
                [outputs, 2],
                TensorRole::Up,
            ),
        ],
    };
    let groups = vec![group("first", 10, 8), group("last", 8, 9)];
    Layout::new("tiny", groups, rule, 16).unwrap()
}

pub(super) fn weights(layout: &Layout, seed: usize) -> NamedTensors {
    let values: Vec<f32> = (0..layout.encoded_len())
        .map(|i| ((i * 37 + seed * 101) as f32).sin() * 0.05)
        .collect();
    layout.decode(&values).unwrap()
}

fn zoo(rule: GroupingRule, half: bool) -> Folder {
    written(|dir| {
        let (layout, full) = (layout(rule), tempfile::tempdir().unwrap());
        let place = if half { full.path() } else { dir };
        let mut zoo = Zoo::create(place, &layout, "base").unwrap();
        for i in 0..2 {
            let checkpoint = |epoch| Checkpoint {
                epoch,
                metrics: BTreeMap::from([("fid".to_owned(), 12.5)]),
            };
            let record = ConceptRecord {
                concept: format!("concept-{i}"),
                prompt: format!("prompt {i}"),
                seed: 7,
                recipe: serde_json::json!({"epochs": 3}),
                checkpoints: vec![checkpoint(1), checkpoint(2)],
            };
            let weights = [weights(&layout, 2 * i), weights(&layout, 2 * i + 1)];
            zoo.append(&record, &weights).unwrap();
        }
        if half {
            zoo.export_small(dir).unwrap();
        }
    })
}

fn read_zoo(dir: &Path) -> Result<(), String> {
    let zoo = Zoo::open(dir).map_err(text)?;
    let mut result = Ok(());
    let mut blocks = BlockReader::new(&zoo, 1);
    for entry in zoo.entries().iter().take(6) {
        result = result.and(zoo.load(entry).map(drop).map_err(text));
        let size = zoo.layout().block_size();
        if size <= 1 << 16 {
            let mut block = vec![0.0; size];
            for n in 0..zoo.layout().blocks().min(4) {
                let read = blocks.read(entry, n, &mut block);
                result = result.and(read.map_err(text));
            }
        }
    }
    for kind in [Normalization::PerLayer, Normalization::Elementwise] {
        let encode = |prompt: &str| Ok(EncodedPrompt::new(vec![prompt.len() as f32; WIDTH], 1));
        let data = StreamedBlocks::open(&zoo, Statistics::Fit(kind), WIDTH, encode);
        let record = data.and_then(|data| {
            let mut block = vec![0.0; zoo.layout().block_size()];
            weight_diffusion::BlockSource::read_record(&data, 0, &mut block)
        });
        result = result.and(record.map(drop).map_err(text));
    }
    let small = tempfile::tempdir().unwrap();
    result.and(zoo.export_small(small.path()).map(drop).map_err(text))
}

fn lora() -> Folder {
    written(|dir| {
        let tensor = |shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            HostTensor::new(shape.to_vec(), vec![0.1; count]).unwrap()
        };
        let tensors = NamedTensors::from([
            ("down.lora_A.weight".into(), tensor(&[2, 3, 3, 3])),
            ("down.lora_B.weight".into(), tensor(&[4, 2, 1, 1])),
            ("attn.to_q.lora_A.weight".into(), tensor(&[2, 8])),
            ("attn.to_q.lora_B.weight".into(), tensor(&[8, 2])),
            ("attn.to_q.alpha".into(), tensor(&[])),
        ]);
        let path = dir.join("lora.safetensors");
        let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        save_safetensors(&path, &tensors, &metadata).unwrap();
    })
}

pub(super) fn targets() -> Vec<Target> {
    let mut zoos = target(
        "zoo",
        vec![
            zoo(GroupingRule::Appended, false),
            zoo(GroupingRule::Concatenated, true),
            zoo(GroupingRule::Separate, false),
        ],
        read_zoo,
    );
    zoos.reseal = |folder| {
        for i in 0..2 {
            let path = |ending: &str| format!("concepts/concept-{i}.{ending}");
            reseal(folder, &path("safetensors"), &path("json"));
        }
    };
    let files = target("lora_file", vec![lora()], |dir| {
        let path = dir.join("lora.safetensors");
        load_safetensors(&path).map_err(text)?;
        let file = LoraFile::open(&path).map_err(text)?;
        let groups = file.layer_groups();
        let layout = Layout::new("file", groups, GroupingRule::Concatenated, 16).map_err(text)?;
        layout
            .encode(&file.read_weights().map_err(text)?)
            .map_err(text)?;
        file.save(dir.join("again.safetensors")).map_err(text)
    });
    vec![zoos, files]
}
