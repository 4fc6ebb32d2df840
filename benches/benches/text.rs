//! Encoding prompts, 32 at a time; elements are prompts. `DENOISED_WEIGHTS_TEXT_MODEL=DIR` adds a model of a folder
//! (CLIP, MiniLM) to the encoder that is compiled in.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use denoised_weights_benches::side_by_side::prompts;
use text_encoder::{StaticEncoder, TextEncoder, open_encoder};

fn text(c: &mut Criterion) {
    let device = test_device::device();
    let mut encoders: Vec<Box<dyn TextEncoder>> =
        vec![Box::new(StaticEncoder::embedded().unwrap())];
    if let Some(dir) = std::env::var_os("DENOISED_WEIGHTS_TEXT_MODEL") {
        encoders.push(open_encoder(std::path::Path::new(&dir), &device).unwrap());
    }
    let prompts = prompts();
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let mut group = c.benchmark_group("text");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(prompts.len() as u64));
    for encoder in encoders {
        group.bench_function(encoder.name().to_owned(), |b| {
            b.iter(|| {
                for batch in prompts.chunks(32) {
                    encoder.condition(batch, &device).unwrap();
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, text);
criterion_main!(benches);
