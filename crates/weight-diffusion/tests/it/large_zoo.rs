//! Memory and time of training on a large zoo of random weights, streamed from disk. It takes two processes,
//! so that the peak memory of the second is that of opening and training:
//!
//! ```sh
//! export LARGE_ZOO=/tmp/zoo-10000 LARGE_ZOO_ENTRIES=10000
//! cargo test --release -p weight-diffusion --test it large_zoo::make -- --ignored --nocapture
//! cargo test --release -p weight-diffusion --test it large_zoo::train -- --ignored --nocapture
//! rm -r $LARGE_ZOO
//! ```
//!
//! An entry takes 220 × 256 weights of 16 bits, 113 kB, and twice as much more while they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use weight_blocks::{
    Checkpoint, ConceptRecord, GroupingRule, LayerGroup, LayerKind, Layout, Normalization,
    TensorRole, TensorSpec, Zoo,
};
use weight_diffusion::data::Statistics;
use weight_diffusion::encoded_text::EncodedPrompt;
use weight_diffusion::{BlockSource, BlockTrainer, StreamedBlocks, TrainConfig, UNet1dConfig};

const BLOCKS: usize = 220;
const SIZE: usize = 256;
const TOKENS: usize = 8;

fn dir() -> PathBuf {
    PathBuf::from(std::env::var("LARGE_ZOO").expect("LARGE_ZOO: the zoo's folder"))
}

fn layout() -> Layout {
    let spec = |name: String, rows, columns, role| TensorSpec {
        name,
        shape: vec![rows, columns],
        role,
    };
    // 20 layers of 11 blocks each.
    let groups = (0..20)
        .map(|i| LayerGroup {
            name: format!("layer.{i}"),
            kind: LayerKind::Linear,
            tensors: vec![
                spec(format!("layer.{i}.lora_A.weight"), 4, 480, TensorRole::Down),
                spec(format!("layer.{i}.lora_B.weight"), 224, 4, TensorRole::Up),
            ],
        })
        .collect();
    let layout = Layout::new("synthetic", groups, GroupingRule::Appended, SIZE).unwrap();
    assert_eq!(layout.blocks(), BLOCKS);
    layout
}

/// A number of /proc/self/status, MiB.
fn status(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024.0
}

#[test]
#[ignore = "writes a large folder"]
fn make() {
    let entries: u64 = std::env::var("LARGE_ZOO_ENTRIES")
        .expect("LARGE_ZOO_ENTRIES: how many")
        .parse()
        .unwrap();
    let layout = layout();
    let start = Instant::now();
    let full = dir().with_extension("full");
    let mut zoo = Zoo::create(&full, &layout, "synthetic").unwrap();
    for i in 0..entries {
        let record = ConceptRecord {
            concept: format!("concept-{i:06}"),
            prompt: format!("synthetic concept number {i}"),
            seed: i,
            recipe: serde_json::Value::Null,
            checkpoints: vec![Checkpoint {
                epoch: 1,
                metrics: BTreeMap::from([("l1".to_owned(), 0.1)]),
            }],
        };
        let mut flat = crate::common::uniform(i, layout.encoded_len());
        flat.iter_mut().for_each(|v| *v *= 0.05);
        zoo.append(&record, &[layout.decode(&flat).unwrap()])
            .unwrap();
    }
    zoo.export_small(dir()).unwrap();
    std::fs::remove_dir_all(full).unwrap();
    println!(
        "{entries} entries in {:.1} s",
        start.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "needs the folder of `make`"]
fn train() {
    println!("start: {:.0} MiB", status("VmRSS"));
    let start = Instant::now();
    let zoo = Zoo::open(dir()).unwrap();
    println!(
        "opened {} entries in {:.2} s: {:.0} MiB",
        zoo.entries().len(),
        start.elapsed().as_secs_f64(),
        status("VmRSS")
    );
    let start = Instant::now();
    let unet = UNet1dConfig {
        base_channels: 64,
        ..UNet1dConfig::compact()
    };
    let width = unet.context_width;
    let statistics = Statistics::Fit(Normalization::Elementwise);
    let mut number = 0;
    let data = StreamedBlocks::open(&zoo, statistics, width, |_| {
        number += 1;
        Ok(EncodedPrompt::new(
            crate::common::uniform(number, TOKENS * width),
            TOKENS,
        ))
    })
    .unwrap();
    drop(zoo);
    println!(
        "statistics of {} records in {:.1} s: {:.0} MiB, peak {:.0} MiB",
        data.records(),
        start.elapsed().as_secs_f64(),
        status("VmRSS"),
        status("VmHWM")
    );
    let config = TrainConfig::compact();
    let device = test_device::device();
    let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 0, &device).unwrap();
    let mut seconds = Vec::new();
    for step in 1..=200 {
        let start = Instant::now();
        trainer.step(&data).unwrap();
        seconds.push(start.elapsed().as_secs_f64());
        if [10, 100, 200].contains(&step) {
            println!(
                "step {step}: {:.0} MiB, peak {:.0} MiB",
                status("VmRSS"),
                status("VmHWM")
            );
        }
    }
    seconds.sort_by(f64::total_cmp);
    println!("median {:.3} s a step", seconds[seconds.len() / 2]);
    let mut block = vec![0.0; SIZE];
    let start = Instant::now();
    let records = data.records();
    for i in 0..10_000usize {
        data.read_record(i.wrapping_mul(7_919_717) % records, &mut block)
            .unwrap();
    }
    println!(
        "{:.3} ms to read a block",
        start.elapsed().as_secs_f64() * 1e3 / 1e4
    );
}
