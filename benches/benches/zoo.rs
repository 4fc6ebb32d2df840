//! Reading a zoo: all of it, and single blocks as streamed training does. Elements are weights; the
//! files are in the page cache.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::{compact_base, layout_of, random};
use weight_blocks::{BlockReader, Checkpoint, ConceptRecord, Zoo};

const CONCEPTS: usize = 32;
/// Blocks that a batch reads.
const READS: usize = 128;

fn zoo(c: &mut Criterion) {
    let base = compact_base(&test_device::device()).unwrap();
    let layout = layout_of(&base).unwrap();
    let weights = random::adapter(&base).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut zoo = Zoo::create(dir.path(), &layout, "base").unwrap();
    for i in 0..CONCEPTS {
        let record = ConceptRecord {
            concept: format!("concept-{i}"),
            prompt: format!("concept {i}"),
            seed: 0,
            recipe: serde_json::Value::Null,
            checkpoints: vec![Checkpoint {
                epoch: 1,
                metrics: Default::default(),
            }],
        };
        zoo.append(&record, std::slice::from_ref(&weights)).unwrap();
    }

    let mut group = c.benchmark_group("zoo");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements((CONCEPTS * layout.values()) as u64));
    group.bench_function("all", |b| {
        b.iter(|| {
            let zoo = Zoo::open(dir.path()).unwrap();
            zoo.for_each_encoded(|_, blocks| {
                black_box(blocks);
                Ok::<(), weight_blocks::Error>(())
            })
            .unwrap();
        });
    });
    let size = layout.block_size();
    group.throughput(Throughput::Elements((READS * size) as u64));
    group.bench_function("blocks", |b| {
        let mut reader = BlockReader::new(&zoo, CONCEPTS);
        let mut block = vec![0.0; size];
        b.iter(|| {
            for i in 0..READS {
                let entry = &zoo.entries()[i * 7 % CONCEPTS];
                reader
                    .read(entry, i * 31 % layout.blocks(), &mut block)
                    .unwrap();
                black_box(&block);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, zoo);
criterion_main!(benches);
