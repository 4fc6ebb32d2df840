//! An adapter into blocks, normalised, and back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::{layout_of, random};
use lora_gan::GeneratorConfig;
use weight_blocks::{Normalization, Normalizer};

fn codec(c: &mut Criterion) {
    for (name, config) in [
        ("compact", GeneratorConfig::compact()),
        ("paper", GeneratorConfig::paper()),
    ] {
        let base = random::base(&config, &test_device::device()).unwrap();
        let layout = layout_of(&base).unwrap();
        let weights = random::adapter(&base).unwrap();
        let blocks = layout.encode(&weights).unwrap();
        assert_eq!(layout.decode(&blocks).unwrap(), weights);
        let normalizer =
            Normalizer::fit(&layout, Normalization::PerLayer, [blocks.as_slice()]).unwrap();

        let mut group = c.benchmark_group(format!("codec/{name}"));
        group
            .sample_size(50)
            .warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Elements(layout.values() as u64));
        group.bench_function("encode", |b| {
            b.iter(|| layout.encode(black_box(&weights)).unwrap());
        });
        group.bench_function("decode", |b| {
            b.iter(|| layout.decode(black_box(&blocks)).unwrap());
        });
        group.bench_function("normalize", |b| {
            // Each time from the same values: repeated on its own result they would run away.
            let mut values = blocks.clone();
            b.iter(|| {
                values.copy_from_slice(&blocks);
                normalizer.normalize(black_box(&mut values)).unwrap();
            });
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
