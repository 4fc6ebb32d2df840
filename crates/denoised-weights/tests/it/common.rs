//! The shipped model, and a base, pairs and a feature network so small that an epoch takes milliseconds.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use clean_fid::FeatureNet;
use concepts::{Pair, write_pairs};
use denoised_weights::{Assets, PromptEncoder};
use finetune::Recipe;
use image::{Rgb, RgbImage};
use lora_gan::{BaseGenerator, GeneratorConfig, HybridGenerator, PatchGanConfig};

pub(crate) const SIZE: usize = 16;

pub(crate) fn assets() -> Assets {
    Assets::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets"))
}

/// A base from which prompts are withheld.
pub(crate) fn tiny_base() -> BaseGenerator {
    let config = GeneratorConfig {
        image_size: SIZE,
        widths: [6, 8, 12],
        heads: 2,
        context_width: 4,
        ..GeneratorConfig::compact()
    };
    let generator = HybridGenerator::new(&config, 1, &Device::flex()).unwrap();
    BaseGenerator {
        generator: generator.valid(),
        config,
        digest: "tiny".into(),
        encoder: None,
        prompt: None,
    }
}

/// A base that reads the prompts of the embedded encoder.
pub(crate) fn tiny_prompted_base() -> BaseGenerator {
    let encoder = PromptEncoder::embedded().unwrap().id();
    let config = GeneratorConfig {
        context_width: encoder.width,
        ..tiny_base().config
    };
    let generator = HybridGenerator::new(&config, 1, &Device::flex()).unwrap();
    BaseGenerator {
        generator: generator.valid(),
        config,
        encoder: Some(encoder),
        ..tiny_base()
    }
}

pub(crate) fn tiny_recipe(epochs: usize) -> Recipe {
    Recipe {
        epochs,
        batch_size: 4,
        lr_generator: 2e-3,
        discriminator: PatchGanConfig {
            width: 4,
            layers: 1,
            ..PatchGanConfig::compact()
        },
        ..Recipe::compact()
    }
}

/// A picture of soft stripes.
pub(crate) fn photo(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: f32, b: f32| {
            let phase = (a * x as f32 + b * y as f32) / height as f32 + seed as f32;
            (127.5 + 127.5 * (6.0 * phase).sin()) as u8
        };
        Rgb([wave(1.0, 0.3), wave(0.2, 1.0), wave(0.7, -0.7)])
    })
}

/// A folder of ten photos with their negatives, and its prompt.
pub(crate) fn pair_folder(root: &Path, name: &str, prompt: &str) -> PathBuf {
    let pairs: Vec<Pair> = (0..10)
        .map(|i| {
            let input = photo(SIZE as u32, SIZE as u32, i);
            let mut target = input.clone();
            image::imageops::invert(&mut target);
            let name = i.to_string();
            Pair {
                name,
                input,
                target,
            }
        })
        .collect();
    let dir = root.join(name);
    write_pairs(&dir, &pairs).unwrap();
    std::fs::write(dir.join("prompt.txt"), prompt).unwrap();
    dir
}

/// The mean of each channel over each quarter of the picture.
pub(crate) struct Quarters;

impl FeatureNet for Quarters {
    fn name(&self) -> &str {
        "quarters"
    }

    fn width(&self) -> usize {
        12
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, clean_fid::Error> {
        let [n, c, h, w] = images.dims();
        let halves = images.reshape([n, c, 2, h / 2, 2, w / 2]);
        Ok(halves.mean_dim(3).mean_dim(5).reshape([n as i32, 12]))
    }
}
