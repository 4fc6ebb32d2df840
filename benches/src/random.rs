//! Seeded stand-ins for trained weights and for data. Speed does not depend on the values, but a
//! comparison of outputs does: nothing may be zero or one that training would have moved.

use burn::tensor::{Device, Tensor, TensorData};
use finetune::PairSet;
use lora_gan::{GeneratorConfig, HybridGenerator};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use weight_blocks::{
    GroupingRule, HostTensor, LayerGroup, LayerKind, Layout, NamedTensors, Normalization,
    Normalizer, TensorRole, TensorSpec, WeightSpace, load_named, module_to_named,
};
use weight_diffusion::encoded_text::EncodedPrompt;
use weight_diffusion::{BlockDataset, UNet1d, UNet1dConfig};

use crate::{BLOCK_SIZE, Result};

/// `count` values, uniform in ±`bound`.
pub fn uniform(count: usize, bound: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| rng.random_range(-bound..bound))
        .collect()
}

/// `tensor` with other values: `center` ± `spread`.
fn redraw(tensor: &mut HostTensor, center: f32, spread: f32, seed: u64) {
    let drawn = uniform(tensor.data.len(), spread, seed);
    for (value, drawn) in tensor.data.iter_mut().zip(drawn) {
        *value = center + drawn;
    }
}

/// A UNet as if trained: its output layer and its norms say something.
///
/// # Errors
/// Of the configuration.
pub fn unet(config: &UNet1dConfig, device: &Device) -> Result<UNet1d> {
    let unet = UNet1d::new(config, 0, device)?;
    let mut weights = module_to_named(&unet)?;
    for (seed, (name, tensor)) in (1u64..).zip(&mut weights) {
        let spread = 1.0 / (config.base_channels as f32).sqrt();
        match name.as_str() {
            "output.weight" | "output.bias" => redraw(tensor, 0.0, spread, seed),
            name if name.contains("norm") && name.ends_with("weight") => {
                redraw(tensor, 1.0, 0.3, seed)
            }
            name if name.contains("norm") => redraw(tensor, 0.0, 0.3, seed),
            _ => {}
        }
    }
    Ok(load_named(unet, &weights)?)
}

/// A prompt of `len` tokens.
pub fn text(width: usize, len: usize, seed: u64) -> EncodedPrompt {
    EncodedPrompt::new(uniform(len * width, 1.7, seed), len)
}

/// A layout of `blocks` blocks in one layer.
///
/// # Errors
/// For no blocks.
pub fn layout(blocks: usize) -> Result<Layout> {
    let weight = TensorSpec {
        name: "layer.weight".into(),
        shape: vec![blocks, BLOCK_SIZE],
        role: TensorRole::Weight,
    };
    let layer = LayerGroup {
        name: "layer".into(),
        kind: LayerKind::Linear,
        tensors: vec![weight],
    };
    Ok(Layout::new(
        "random",
        vec![layer],
        GroupingRule::Appended,
        BLOCK_SIZE,
    )?)
}

/// `networks` networks of `blocks` blocks, each with a prompt of three to eight tokens.
///
/// # Errors
/// For no networks or no blocks.
pub fn dataset(blocks: usize, networks: usize, text_width: usize) -> Result<BlockDataset> {
    let layout = layout(blocks)?;
    let entries: Vec<(usize, Vec<f32>)> = (0..networks)
        .map(|i| (i, uniform(blocks * BLOCK_SIZE, 1.7, 100 + i as u64)))
        .collect();
    let texts = (0..networks)
        .map(|i| text(text_width, 3 + i % 6, 1_000 + i as u64))
        .collect();
    let weights = entries.iter().map(|(_, weights)| weights.as_slice());
    let normalizer = Normalizer::fit(&layout, Normalization::PerLayer, weights)?;
    Ok(BlockDataset::new(
        layout, normalizer, texts, text_width, entries,
    )?)
}

/// A base as if trained: the batch norms' statistics differ from channel to channel.
///
/// # Errors
/// Of the configuration.
pub fn base(config: &GeneratorConfig, device: &Device) -> Result<HybridGenerator> {
    let base = HybridGenerator::new(config, 0, device)?;
    let mut weights = module_to_named(&base)?;
    weights.retain(|name, _| name.contains(".running_"));
    for (seed, (name, tensor)) in (1u64..).zip(&mut weights) {
        let center = if name.ends_with("running_var") {
            1.0
        } else {
            0.0
        };
        redraw(tensor, center, 0.2, seed);
    }
    Ok(load_named(base, &weights)?)
}

/// An adapter of `base` as if trained: no factor is zero.
///
/// # Errors
/// Where the device cannot give the values back.
pub fn adapter(base: &HybridGenerator) -> Result<NamedTensors> {
    let mut adapter = base.read_weights()?;
    for (seed, (name, tensor)) in (1u64..).zip(&mut adapter) {
        if name.ends_with("lora_B.weight") {
            redraw(tensor, 0.0, 0.1, seed);
        } else if name.ends_with("norm.weight") {
            redraw(tensor, 1.0, 0.2, seed);
        } else if name.ends_with("bias") {
            redraw(tensor, 0.0, 0.2, seed);
        }
    }
    Ok(adapter)
}

/// `count` photos and their edits of `size`×`size` pixels.
pub fn pairs(count: usize, size: usize, device: &Device) -> PairSet {
    let shape = [count, 3, size, size];
    let images = |seed| {
        let values = uniform(shape.iter().product(), 1.0, seed);
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    PairSet {
        photos: images(1),
        targets: images(2),
    }
}
