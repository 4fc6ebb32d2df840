//! A small data set and networks to match.
#![allow(dead_code, unreachable_pub)]

use std::path::Path;

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::{
    GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole, TensorSpec,
};
use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};
use weight_diffusion::train::TimestepSampling;
use weight_diffusion::{BlockDataset, NoiseSchedule, Parameterization, TrainConfig, UNet1dConfig};

pub const WIDTH: usize = 8;
pub const BLOCK: usize = 16;

pub fn device() -> Device {
    test_device::device()
}

/// Two linear layers, 70 weights, 5 blocks of 16.
pub fn layout(name: &str) -> Layout {
    let spec = |name: String, shape: [usize; 2], role| TensorSpec {
        name,
        shape: shape.to_vec(),
        role,
    };
    let group = |name: &str, inputs: usize, outputs: usize| LayerGroup {
        name: name.into(),
        kind: LayerKind::Linear,
        tensors: vec![
            spec(
                format!("{name}.lora_A.weight"),
                [2, inputs],
                TensorRole::Down,
            ),
            spec(
                format!("{name}.lora_B.weight"),
                [outputs, 2],
                TensorRole::Up,
            ),
        ],
    };
    let groups = vec![group(name, 10, 8), group("last", 8, 9)];
    Layout::new("tiny", groups, GroupingRule::Appended, BLOCK).unwrap()
}

pub fn uniform(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect()
}

pub fn text(seed: u64, len: usize) -> EncodedPrompt {
    EncodedPrompt::new(uniform(1_000 + seed, len * WIDTH), len)
}

pub fn text_spec() -> EncoderId {
    EncoderId {
        name: "test".into(),
        digest: "0123456789abcdef".into(),
        width: WIDTH,
    }
}

/// Raw weights of concept `seed`, encoded.
pub fn weights(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut values = uniform(seed, layout.blocks() * layout.block_size());
    for value in &mut values {
        *value *= 0.05;
    }
    for value in values.iter_mut().skip(layout.values()) {
        *value = 0.0;
    }
    values
}

pub fn dataset() -> BlockDataset {
    let layout = layout("first");
    let all = [weights(&layout, 1), weights(&layout, 2)];
    let normalizer = Normalizer::fit(
        &layout,
        Normalization::PerLayer,
        all.iter().map(Vec::as_slice),
    )
    .unwrap();
    let [one, two] = all;
    BlockDataset::new(
        layout,
        normalizer,
        vec![text(1, 2), text(2, 3)],
        WIDTH,
        vec![(0, one), (1, two)],
    )
    .unwrap()
}

pub fn unet(parameterization: Parameterization) -> UNet1dConfig {
    UNet1dConfig {
        block_size: BLOCK,
        patch_size: 4,
        base_channels: 32,
        multipliers: [1, 1, 1],
        downsample: true,
        heads: 2,
        ff_multiplier: 2,
        norm_groups: 4,
        encoding_size: 16,
        embedding_size: 32,
        context_width: WIDTH,
        block_heads: None,
        parameterization,
        schedule: NoiseSchedule::ddpm(),
    }
}

pub fn train() -> TrainConfig {
    TrainConfig {
        steps: 250,
        batch_size: 32,
        learning_rate: 3e-3,
        warmup_steps: 10,
        ema_decay: 0.9,
        text_dropout: 0.0,
        timesteps: TimestepSampling::NoiseEnd {
            share: 0.8,
            from: 0.9,
        },
        ..TrainConfig::compact()
    }
}

/// Relative L2 distance of `a` to `b`.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
    };
    norm(&mut a.iter().zip(b).map(|(x, y)| x - y)) / norm(&mut b.iter().copied())
}

/// Names of the files in `dir`, sorted.
pub fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
