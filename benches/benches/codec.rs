//! Encoding and decoding one compact adapter.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use burn::tensor::Device;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::{compact_base, compact_layout};
use weight_blocks::{Normalization, Normalizer, WeightSpace};

fn codec(c: &mut Criterion) {
    let base = compact_base(&Device::flex()).unwrap();
    let layout = compact_layout(&base).unwrap();
    let weights = base.read_weights().unwrap();
    let blocks = layout.encode(&weights).unwrap();
    assert_eq!(layout.decode(&blocks).unwrap(), weights);
    let normalizer =
        Normalizer::fit(&layout, Normalization::PerLayer, [blocks.as_slice()]).unwrap();

    let mut group = c.benchmark_group("codec");
    group.throughput(Throughput::Elements(layout.values() as u64));
    group.bench_function("encode", |b| {
        b.iter(|| layout.encode(black_box(&weights)).unwrap())
    });
    group.bench_function("decode", |b| {
        b.iter(|| layout.decode(black_box(&blocks)).unwrap())
    });
    group.bench_function("normalize", |b| {
        let mut values = blocks.clone();
        b.iter(|| normalizer.normalize(black_box(&mut values)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
