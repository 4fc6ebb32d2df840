//! Time of a training step and a prediction of the compact preset, and memory of a prediction of the paper's:
//!
//! ```sh
//! cargo test --release -p weight-diffusion --test it step_time::compact -- --ignored --nocapture
//! cargo test --release -p weight-diffusion --test it step_time::paper -- --ignored --nocapture
//! ```

use std::time::Instant;

use weight_blocks::{
    GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole, TensorSpec,
};
use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};
use weight_diffusion::{
    BlockDataset, BlockSource, BlockTrainer, SampleOptions, TrainConfig, UNet1dConfig,
    WeightGenerator,
};

const CONCEPTS: usize = 170;
const BLOCKS: usize = 90;
const TOKENS: usize = 6;

fn dataset(width: usize) -> BlockDataset {
    let group = LayerGroup {
        name: "all".into(),
        kind: LayerKind::Linear,
        tensors: vec![TensorSpec {
            name: "all.lora_A.weight".into(),
            shape: vec![BLOCKS, 256],
            role: TensorRole::Down,
        }],
    };
    let layout = Layout::new("bench", vec![group], GroupingRule::Appended, 256).unwrap();
    let entries: Vec<(usize, Vec<f32>)> = (0..2 * CONCEPTS)
        .map(|i| (i / 2, crate::common::uniform(i as u64 / 2, BLOCKS * 256)))
        .collect();
    let texts = (0..CONCEPTS)
        .map(|i| {
            EncodedPrompt::new(
                crate::common::uniform(9_000 + i as u64, TOKENS * width),
                TOKENS,
            )
        })
        .collect();
    let all = entries.iter().map(|(_, weights)| weights.as_slice());
    let normalizer = Normalizer::fit(&layout, Normalization::Elementwise, all).unwrap();
    BlockDataset::new(layout, normalizer, texts, width, entries).unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "measures"]
fn compact() {
    let unet = UNet1dConfig::compact();
    let data = dataset(unet.context_width);
    let device = test_device::device();
    for (batch_size, micro_batch) in [(128, 32), (256, 16), (256, 32), (256, 256)] {
        let config = TrainConfig {
            batch_size,
            micro_batch,
            ..TrainConfig::compact()
        };
        let mut trainer = BlockTrainer::new(config, &unet, data.spec(), 0, &device).unwrap();
        let seconds = (0..9)
            .map(|_| {
                let start = Instant::now();
                trainer.step(&data).unwrap();
                start.elapsed().as_secs_f64()
            })
            .collect();
        println!(
            "batch {batch_size} in parts of {micro_batch}: {:.3} s a step",
            median(seconds)
        );
        if micro_batch == 256 {
            let options = SampleOptions::noise_end(&unet.schedule);
            let text = EncoderId {
                name: "bench".into(),
                digest: String::new(),
                width: unet.context_width,
            };
            let generator = WeightGenerator::new(
                trainer.ema_model(),
                data.layout().clone(),
                data.normalizer().clone(),
                text,
                data.norm(),
                "",
                options,
            )
            .unwrap();
            for batch_size in [16, 64, 90] {
                let options = SampleOptions {
                    batch_size,
                    ..options
                };
                let seconds = (0..9)
                    .map(|_| {
                        let start = Instant::now();
                        generator
                            .predict(&data.texts()[0], &options, &device)
                            .unwrap();
                        start.elapsed().as_secs_f64()
                    })
                    .collect();
                println!("predict, batch {batch_size}: {:.3} s", median(seconds));
            }
        }
    }
}

/// Most resident memory so far, MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        / 1024
}

#[test]
#[ignore = "measures"]
fn paper() {
    let config = UNet1dConfig::paper();
    let device = test_device::device();
    let unet = weight_diffusion::UNet1d::new(&config, 0, &device).unwrap();
    let text = EncodedPrompt::new(crate::common::uniform(1, 77 * config.context_width), 77);
    let text = weight_diffusion::encoded_text::TextCondition::from_host(
        &[&text],
        config.context_width,
        &device,
    )
    .unwrap();
    let options = SampleOptions::noise_end(&config.schedule);
    println!("network: {} MiB", peak());
    let start = Instant::now();
    weight_diffusion::one_step(&unet, &text, 64, &config.schedule, &options).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("64 blocks of 256: {} MiB, {seconds:.1} s", peak());
}
