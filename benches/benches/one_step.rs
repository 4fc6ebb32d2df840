//! All blocks of one compact adapter from noise in one step, by batch size.
#![allow(clippy::unwrap_used, missing_docs)]

use burn::tensor::Device;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::{compact_base, compact_layout};
use weight_diffusion::{HostText, SampleOptions, TextCondition, UNet1d, UNet1dConfig, one_step};

fn inference(c: &mut Criterion) {
    let device = Device::flex();
    let blocks = compact_layout(&compact_base(&device).unwrap())
        .unwrap()
        .blocks();
    let config = UNet1dConfig::compact();
    let unet = UNet1d::new(&config, 0, &device).unwrap();
    let width = config.context_width;
    let prompt = HostText {
        tokens: (0..4 * width).map(|i| (i as f32).sin()).collect(),
        len: 4,
    };
    let text = TextCondition::from_host(&[&prompt], width, &device).unwrap();

    let mut group = c.benchmark_group("one_step");
    group.throughput(Throughput::Elements(blocks as u64));
    group.sample_size(10);
    for batch_size in [16, 64, blocks] {
        let options = SampleOptions {
            batch_size,
            ..SampleOptions::noise_end(&config.schedule)
        };
        group.bench_with_input(
            BenchmarkId::new("batch", batch_size),
            &options,
            |b, options| {
                b.iter(|| one_step(&unet, &text, blocks, &config.schedule, options).unwrap());
            },
        );
    }
    group.finish();
}

criterion_group!(benches, inference);
criterion_main!(benches);
