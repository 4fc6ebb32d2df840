//! Small generators, pairs and recipes.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use burn::module::Module;
use finetune::{PairSet, Recipe};
use image::{Rgb, RgbImage};
use lora_gan::{GeneratorConfig, HybridGenerator, PatchGanConfig};
use weight_blocks::NamedTensors;

/// 16×16, so that an epoch takes milliseconds.
pub fn tiny() -> GeneratorConfig {
    GeneratorConfig {
        image_size: 16,
        widths: [6, 8, 12],
        heads: 2,
        context_width: 4,
        ..GeneratorConfig::compact()
    }
}

/// The same base each time, with parameter identities of its own, as a new process has them.
pub fn base(config: &GeneratorConfig) -> HybridGenerator {
    HybridGenerator::new(config, 1, &test_device::device())
        .unwrap()
        .valid()
}

pub fn recipe() -> Recipe {
    Recipe {
        // Named here, so that the preset may change.
        epochs: 6,
        batch_size: 4,
        lr_generator: 2e-3,
        lr_discriminator: 2e-4,
        decay: 0.0,
        gan_weight: 1.0,
        discriminator: PatchGanConfig {
            width: 4,
            layers: 1,
            ..PatchGanConfig::compact()
        },
        ..Recipe::compact()
    }
}

/// A picture of soft stripes.
pub fn photo(size: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(size, size, |x, y| {
        let wave = |a: f32, b: f32| {
            let phase = (a * x as f32 + b * y as f32) / size as f32 + seed as f32;
            (127.5 + 127.5 * (6.0 * phase).sin()) as u8
        };
        Rgb([wave(1.0, 0.3), wave(0.2, 1.0), wave(0.7, -0.7)])
    })
}

pub fn inverted(photo: &RgbImage) -> RgbImage {
    let mut photo = photo.clone();
    image::imageops::invert(&mut photo);
    photo
}

/// Photos and their negatives.
pub fn negatives(size: u32, count: u32) -> PairSet {
    let pairs: Vec<_> = (0..count)
        .map(|i| {
            let photo = photo(size, i);
            let negative = inverted(&photo);
            (photo, negative)
        })
        .collect();
    PairSet::new(&pairs, size as usize, &test_device::device()).unwrap()
}

/// The names whose values differ in a bit.
pub fn changed(a: &NamedTensors, b: &NamedTensors) -> Vec<String> {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let bits = |name: &String, w: &NamedTensors| {
        w[name].data.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    a.keys()
        .filter(|name| bits(name, a) != bits(name, b))
        .cloned()
        .collect()
}
