//! A zoo on disk and the same in memory: the same statistics, batches and steps, bit for bit.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{WIDTH, device, layout, text, train, unet, weights};
use weight_blocks::{
    Checkpoint, ConceptRecord, GroupingRule, Layout, Normalization, Normalizer, Zoo,
    module_to_named,
};
use weight_diffusion::data::Statistics;
use weight_diffusion::encoded_text::EncodedPrompt;
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, Error, Parameterization, StreamedBlocks, TrainConfig,
};

/// Seven concepts of two checkpoints, of which the first two share a prompt.
fn zoo(dir: &Path, rule: GroupingRule) -> Zoo {
    let groups = layout("first").groups().to_vec();
    let layout = Layout::new("tiny", groups, rule, crate::common::BLOCK).unwrap();
    let mut zoo = Zoo::create(dir, &layout, "base").unwrap();
    for i in 0..7u64 {
        let checkpoint = |epoch| Checkpoint {
            epoch,
            metrics: BTreeMap::new(),
        };
        let record = ConceptRecord {
            concept: format!("concept-{i}"),
            prompt: format!("prompt {}", i.max(1)),
            seed: 0,
            recipe: serde_json::Value::Null,
            checkpoints: vec![checkpoint(1), checkpoint(2)],
        };
        let flat = |seed| layout.decode(&weights(&layout, seed)).unwrap();
        zoo.append(&record, &[flat(2 * i), flat(2 * i + 1)])
            .unwrap();
    }
    zoo
}

fn encode(prompt: &str) -> EncodedPrompt {
    let number: u64 = prompt.strip_prefix("prompt ").unwrap().parse().unwrap();
    text(number, 1 + number as usize % 3)
}

fn in_memory(zoo: &Zoo, kind: Normalization) -> BlockDataset {
    let mut prompts: Vec<&str> = Vec::new();
    let mut entries = Vec::new();
    for entry in zoo.entries() {
        let known = prompts.iter().position(|p| *p == entry.prompt);
        let number = known.unwrap_or_else(|| {
            prompts.push(&entry.prompt);
            prompts.len() - 1
        });
        let weights = zoo.layout().encode(&zoo.load(entry).unwrap()).unwrap();
        entries.push((number, weights));
    }
    let flats = entries.iter().map(|(_, flat)| flat.as_slice());
    let normalizer = Normalizer::fit(zoo.layout(), kind, flats).unwrap();
    let texts = prompts.into_iter().map(encode).collect();
    BlockDataset::new(zoo.layout().clone(), normalizer, texts, WIDTH, entries).unwrap()
}

fn streamed(zoo: &Zoo, statistics: Statistics) -> StreamedBlocks {
    let data = StreamedBlocks::open(zoo, statistics, WIDTH, |prompt| Ok(encode(prompt)));
    data.unwrap().with_open_files(2)
}

#[test]
fn records_and_statistics_are_those_of_the_zoo_in_memory() {
    for rule in [
        GroupingRule::Appended,
        GroupingRule::Concatenated,
        GroupingRule::Separate,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let zoo = zoo(dir.path(), rule);
        for kind in [
            Normalization::None,
            Normalization::Global,
            Normalization::PerKind,
            Normalization::PerLayer,
            Normalization::Elementwise,
        ] {
            let memory = in_memory(&zoo, kind);
            let disk = streamed(&zoo, Statistics::Fit(kind));
            assert_eq!(disk.normalizer(), memory.normalizer());
            assert_eq!(disk.norm(), memory.norm());
            assert_eq!(disk.spec(), memory.spec());
            assert_eq!((disk.networks(), disk.text_count()), (14, 6));
            assert_eq!(disk.entries(), zoo.entries());
            assert_eq!(disk.records(), memory.records());
            let size = memory.layout().block_size();
            let (mut a, mut b) = (vec![9.0; size], vec![9.0; size]);
            for index in 0..disk.records() {
                let (of_a, of_b) = (
                    disk.read_record(index, &mut a).unwrap(),
                    memory.read_record(index, &mut b).unwrap(),
                );
                assert_eq!((of_a, &a), (of_b, &b), "{rule:?} {kind:?} {index}");
                let text = disk.read_text(of_a.1).unwrap();
                assert_eq!(text, memory.read_text(of_b.1).unwrap());
            }
            let given = streamed(&zoo, Statistics::Given(memory.normalizer().clone()));
            assert_eq!(given.normalizer(), memory.normalizer());
        }
    }
}

#[test]
fn training_takes_the_same_steps() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended);
    let memory = in_memory(&zoo, Normalization::Elementwise);
    let disk = streamed(&zoo, Statistics::Fit(Normalization::Elementwise));
    let run = |data: &dyn BlockSource| {
        let config = TrainConfig {
            text_dropout: 0.2,
            noises_per_block: 2,
            micro_batch: 20,
            ..train()
        };
        let unet = unet(Parameterization::Skip);
        let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 1, &device()).unwrap();
        let stats: Vec<_> = (0..6).map(|_| trainer.step(data).unwrap()).collect();
        (stats, module_to_named(&trainer.model()).unwrap())
    };
    assert_eq!(run(&memory), run(&disk));
}

#[test]
fn what_cannot_be_streamed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let zoo = zoo(dir.path(), GroupingRule::Appended);
    let fit = || Statistics::Fit(Normalization::PerLayer);
    let empty = zoo.filtered(|_| false);
    let error = StreamedBlocks::open(&empty, fit(), WIDTH, |p| Ok(encode(p))).unwrap_err();
    assert!(matches!(error, Error::EmptyDataset { .. }), "{error}");

    let error = StreamedBlocks::open(&zoo, fit(), WIDTH, |_| Err("no words".into())).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("prompt 1") && message.contains("no words"),
        "{message}"
    );
    let error = StreamedBlocks::open(&zoo, fit(), WIDTH + 1, |p| Ok(encode(p))).unwrap_err();
    assert!(matches!(error, Error::Prompt(_)), "{error}");

    let other = Layout::new(
        "o",
        layout("first").groups()[..1].to_vec(),
        GroupingRule::Appended,
        16,
    );
    let other = other.unwrap();
    let flat = vec![1.0; other.encoded_len()];
    let normalizer = Normalizer::fit(&other, Normalization::None, [flat.as_slice()]).unwrap();
    let given = Statistics::Given(normalizer);
    let error = StreamedBlocks::open(&zoo, given, WIDTH, |p| Ok(encode(p))).unwrap_err();
    assert!(error.to_string().contains("normaliser"), "{error}");

    let data = streamed(&zoo, fit());
    let mut block = [0.0; crate::common::BLOCK];
    for source in [
        &data as &dyn BlockSource,
        &in_memory(&zoo, Normalization::None),
    ] {
        for error in [
            source.read_record(70, &mut block).unwrap_err(),
            source.read_record(0, &mut block[..15]).unwrap_err(),
            source.read_text(6).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Shape { .. }), "{error}");
        }
    }

    // A shard that goes while training reads: the step fails by name, and can be taken again.
    let mut trainer = BlockTrainer::new(
        train(),
        &unet(Parameterization::Skip),
        data.spec(),
        1,
        &device(),
    )
    .unwrap();
    let away = dir.path().join("away");
    let shards = dir.path().join("concepts");
    std::fs::rename(&shards, &away).unwrap();
    let error = trainer.step(&data).unwrap_err();
    assert!(error.to_string().contains("concepts/concept-"), "{error}");
    assert_eq!(trainer.steps_done(), 0);
    std::fs::rename(&away, &shards).unwrap();
    trainer.step(&data).unwrap();
}
