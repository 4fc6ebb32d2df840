//! Steps of one concept's training, discriminator and adapter: one batch an epoch.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::random;
use finetune::{ConceptTrainer, Recipe};
use lora_gan::GeneratorConfig;

fn gan_step(c: &mut Criterion) {
    let device = test_device::device();
    let mut group = c.benchmark_group("gan_step");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    let compact = || (GeneratorConfig::compact(), Recipe::compact());
    let paper = || (GeneratorConfig::paper(), Recipe::paper());
    for (name, (config, recipe), batch_size, gan_weight) in [
        ("compact", compact(), 8, 1.0),
        ("compact-l1", compact(), 8, 0.0),
        ("paper", paper(), 1, 1.0),
    ] {
        let base = random::base(&config, &device).unwrap();
        let start = random::adapter(&base).unwrap();
        let pairs = random::pairs(batch_size, config.image_size, &device);
        let recipe = Recipe {
            batch_size,
            gan_weight,
            ..recipe
        };
        let mut trainer = ConceptTrainer::new(&base, &start, recipe, &device).unwrap();
        group.throughput(Throughput::Elements(batch_size as u64));
        group.bench_function(BenchmarkId::new(name, batch_size), |b| {
            b.iter(|| trainer.epoch(&pairs).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, gan_step);
criterion_main!(benches);
