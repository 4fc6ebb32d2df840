//! One step of the weight generator's training: draw, forward, backward, AdamW, average.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::random;
use weight_diffusion::{BlockSource, BlockTrainer, TrainConfig, UNet1dConfig};

fn unet_step(c: &mut Criterion) {
    let device = test_device::device();
    let presets = [
        (
            "compact",
            UNet1dConfig::compact(),
            TrainConfig::compact(),
            32,
        ),
        (
            "compact",
            UNet1dConfig::compact(),
            TrainConfig::compact(),
            128,
        ),
        ("paper", UNet1dConfig::paper(), TrainConfig::paper(), 2),
    ];
    let mut group = c.benchmark_group("unet_step");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    for (name, unet, preset, batch_size) in presets {
        let data = random::dataset(64, 4, unet.context_width).unwrap();
        let train = TrainConfig {
            batch_size,
            micro_batch: preset.micro_batch.min(batch_size),
            ..preset
        };
        let mut trainer = BlockTrainer::new(train, &unet, data.spec(), 0, &device).unwrap();
        group.throughput(Throughput::Elements(batch_size as u64));
        group.bench_function(BenchmarkId::new(name, batch_size), |b| {
            b.iter(|| trainer.step(&data).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, unet_step);
criterion_main!(benches);
