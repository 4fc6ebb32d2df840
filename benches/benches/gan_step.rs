//! One epoch of one concept's training: 16 pairs of 64×64 in batches of 8.
#![allow(clippy::unwrap_used, missing_docs)]

use burn::tensor::{Device, Distribution, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::compact_base;
use finetune::{ConceptTrainer, PairSet, Recipe};
use weight_blocks::WeightSpace;

const PAIRS: usize = 16;

fn gan_step(c: &mut Criterion) {
    let device = Device::flex();
    let base = compact_base(&device).unwrap();
    let start = base.read_weights().unwrap();
    let images = || {
        let range = Distribution::Uniform(-1.0, 1.0);
        Tensor::<4>::random([PAIRS, 3, 64, 64], range, &device)
    };
    let pairs = PairSet {
        photos: images(),
        targets: images(),
    };

    let mut group = c.benchmark_group("epoch");
    group.throughput(Throughput::Elements(PAIRS as u64));
    group.sample_size(10);
    for (name, gan_weight) in [("gan", 1.0), ("l1", 0.0)] {
        let recipe = Recipe {
            batch_size: 8,
            gan_weight,
            ..Recipe::compact()
        };
        let mut trainer = ConceptTrainer::new(&base, &start, recipe, &device).unwrap();
        group.bench_function(name, |b| b.iter(|| trainer.epoch(&pairs).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, gan_step);
criterion_main!(benches);
