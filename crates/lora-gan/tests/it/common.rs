//! Generators with every weight, statistic and LoRA factor away from its initial value.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use encoded_text::TextCondition;
use lora_gan::{Error, GeneratorConfig, HybridGenerator, LoraConfig, Pass};
use weight_blocks::{HostTensor, NamedTensors, load_named, module_to_named};

/// One of the generator's two forward passes, and how it is run.
pub(crate) type Forward = (
    fn(&HybridGenerator, Tensor<4>, Option<&TextCondition>, Pass) -> Result<Tensor<4>, Error>,
    Pass,
);

pub(crate) const ADAPTED: Forward = (HybridGenerator::forward, Pass::Eval);
pub(crate) const PRETRAINING: Forward = (HybridGenerator::forward_base, Pass::Train { seed: 0 });

/// 16×16 as small as it goes: zero padding, null tokens, bottleneck skip, as in `compact`.
pub(crate) fn small() -> GeneratorConfig {
    GeneratorConfig {
        image_size: 16,
        widths: [4, 6, 8],
        heads: 2,
        context_width: 5,
        ..GeneratorConfig::compact()
    }
}

/// The paper's choices at that size: 7×7 with reflection, no null tokens, no skip; and a LoRA scale
/// of 1.5 / 3.
pub(crate) fn small_paper() -> GeneratorConfig {
    GeneratorConfig {
        image_size: 16,
        widths: [4, 6, 8],
        heads: 4,
        context_width: 5,
        null_tokens: 0,
        lora: LoraConfig {
            alpha: Some(1.5),
            ..LoraConfig::rank(3)
        },
        ..GeneratorConfig::paper()
    }
}

/// SplitMix64, uniform in −1..1.
pub(crate) fn uniform(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub(crate) fn tensor<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut next = uniform(seed);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .without_autodiff()
        .into_data()
        .try_into_vec::<f32>()
        .unwrap()
}

pub(crate) fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    values(tensor).iter().map(|v| v.to_bits()).collect()
}

pub(crate) fn distance<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    assert!(a.iter().chain(&b).all(|v| v.is_finite()));
    a.iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Two tokens for each of two photos.
pub(crate) fn context(width: usize, seed: u64, device: &Device) -> TextCondition {
    TextCondition {
        tokens: tensor([2, 2, width], seed, device),
        mask: Tensor::from_data(TensorData::new(vec![true; 4], [2, 2]), device),
    }
}

/// A name's tensor moved off its initial value: biases, norms, statistics and `up` included.
fn moved(name: &str, tensor: &HostTensor, next: &mut impl FnMut() -> f32) -> HostTensor {
    let data = tensor.data.iter().map(|v| match name {
        n if n.contains(".lora_B") => 0.2 * next(),
        n if n.ends_with("running_var") => 1.0 + 0.5 * next(),
        n if is_norm(n) && n.ends_with("weight") => 1.0 + 0.3 * next(),
        n if n.ends_with("running_mean") || n.ends_with("bias") => 0.2 * next(),
        _ => *v,
    });
    HostTensor::new(tensor.shape.clone(), data.collect()).unwrap()
}

/// A generator whose norms' statistics, affine parameters, biases and LoRA factors all matter.
pub(crate) fn trained(config: &GeneratorConfig, seed: u64, device: &Device) -> HybridGenerator {
    let generator = HybridGenerator::new(config, seed, device).unwrap().valid();
    let mut next = uniform(seed + 1000);
    let named: NamedTensors = module_to_named(&generator)
        .unwrap()
        .iter()
        .map(|(name, tensor)| (name.clone(), moved(name, tensor, &mut next)))
        .collect();
    load_named(generator, &named).unwrap()
}

pub(crate) fn is_lora(name: &str) -> bool {
    name.contains(".lora_")
}

/// γ and β of a norm, which belong to the adapter.
pub(crate) fn is_norm(name: &str) -> bool {
    !name.contains("running_")
        && (name.contains(".norm.")
            || ["norm1", "norm2", "norm3"]
                .iter()
                .any(|n| name.contains(&format!("transformer.{n}."))))
}

/// The names whose values differ in a bit.
pub(crate) fn changed(a: &NamedTensors, b: &NamedTensors) -> Vec<String> {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let bits = |t: &HostTensor| t.data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    a.iter()
        .filter(|(name, tensor)| bits(tensor) != bits(&b[*name]))
        .map(|(name, _)| name.clone())
        .collect()
}
