//! All blocks of one network from noise in one step: cost by batch size and by the number of blocks.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use burn::tensor::Device;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::{compact_base, layout_of, random};
use lora_gan::{GeneratorConfig, HybridGenerator};
use weight_diffusion::encoded_text::TextCondition;
use weight_diffusion::{SampleOptions, UNet1d, UNet1dConfig, one_step};

struct Network {
    unet: UNet1d,
    text: TextCondition,
}

impl Network {
    fn new(config: &UNet1dConfig, device: &Device) -> Self {
        let prompt = random::text(config.context_width, 8, 7);
        Self {
            unet: random::unet(config, device).unwrap(),
            text: TextCondition::from_host(&[&prompt], config.context_width, device).unwrap(),
        }
    }

    fn predict(&self, blocks: usize, batch_size: usize) -> Vec<f32> {
        let schedule = &self.unet.config().schedule;
        let options = SampleOptions {
            batch_size,
            ..SampleOptions::noise_end(schedule)
        };
        one_step(&self.unet, &self.text, blocks, schedule, &options).unwrap()
    }
}

fn compact(c: &mut Criterion) {
    let device = test_device::device();
    let blocks = layout_of(&compact_base(&device).unwrap()).unwrap().blocks();
    let network = Network::new(&UNet1dConfig::compact(), &device);
    let mut group = c.benchmark_group("one_step/compact");
    group.sample_size(10);
    for batch in [16, 64, blocks] {
        group.throughput(Throughput::Elements(blocks as u64));
        group.bench_function(BenchmarkId::new("batch", batch), |b| {
            b.iter(|| network.predict(blocks, batch));
        });
    }
    group.finish();
}

/// The paper's network takes seconds per batch of 64 on two cores: a part of its blocks here, all of
/// them in `tools/pytorch_reference/compare.py`.
fn paper(c: &mut Criterion) {
    let device = test_device::device();
    let config = GeneratorConfig::paper();
    let base = HybridGenerator::new(&config, 0, &device).unwrap();
    let all = layout_of(&base).unwrap().blocks();
    assert!(all >= 854);
    let network = Network::new(&UNet1dConfig::paper(), &device);
    let mut group = c.benchmark_group("one_step/paper");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(1));
    for (blocks, batch) in [(8, 1), (8, 8), (16, 8), (16, 16)] {
        group.throughput(Throughput::Elements(blocks as u64));
        let name = format!("blocks={blocks}/batch");
        group.bench_function(BenchmarkId::new(name, batch), |b| {
            b.iter(|| network.predict(blocks, batch));
        });
    }
    group.finish();
}

criterion_group!(benches, compact, paper);
criterion_main!(benches);
