//! Folding an adapter into its base; elements are the weights of the adapter.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::{layout_of, random};
use lora_gan::GeneratorConfig;
use weight_blocks::WeightSpace;

fn merge(c: &mut Criterion) {
    let device = test_device::device();
    let mut group = c.benchmark_group("merge");
    group.sample_size(20).warm_up_time(Duration::from_secs(1));
    group.measurement_time(Duration::from_secs(2));
    for (name, config) in [
        ("compact", GeneratorConfig::compact()),
        ("paper", GeneratorConfig::paper()),
    ] {
        let mut generator = random::base(&config, &device).unwrap();
        let adapter = random::adapter(&generator).unwrap();
        generator.load_weights(&adapter).unwrap();
        let values = layout_of(&generator).unwrap().values();
        group.throughput(Throughput::Elements(values as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let merged = generator.clone().merge_adapter();
                device.sync().unwrap();
                merged
            });
        });
    }
    group.finish();
}

criterion_group!(benches, merge);
criterion_main!(benches);
