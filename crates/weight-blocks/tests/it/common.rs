//! Layouts and values shared by the tests.

use std::path::{Path, PathBuf};

use weight_blocks::{
    GroupingRule, HostTensor, LayerGroup, LayerKind, Layout, NamedTensors, TensorRole, TensorSpec,
};

pub(crate) fn spec(name: &str, shape: &[usize], role: TensorRole) -> TensorSpec {
    TensorSpec {
        name: name.to_owned(),
        shape: shape.to_vec(),
        role,
    }
}

/// A convolution with a norm and a linear layer: 54 + 8 + 4 + 4 and 6 + 4 values, 80 in all.
pub(crate) fn groups() -> Vec<LayerGroup> {
    vec![
        LayerGroup {
            name: "conv".into(),
            kind: LayerKind::Conv,
            tensors: vec![
                spec("conv.lora_A.weight", &[2, 3, 3, 3], TensorRole::Down),
                spec("conv.lora_B.weight", &[4, 2, 1, 1], TensorRole::Up),
                spec("conv.norm.weight", &[4], TensorRole::NormWeight),
                spec("conv.norm.bias", &[4], TensorRole::NormBias),
            ],
        },
        LayerGroup {
            name: "fc".into(),
            kind: LayerKind::Linear,
            tensors: vec![
                spec("fc.lora_A.weight", &[2, 3], TensorRole::Down),
                spec("fc.lora_B.weight", &[2, 2], TensorRole::Up),
            ],
        },
    ]
}

/// 80 values in 3 blocks of 32, 16 of them padding.
pub(crate) fn layout() -> Layout {
    Layout::new("small", groups(), GroupingRule::Appended, 32).unwrap()
}

/// SplitMix64: a stream of bits that owes nothing to the crate.
pub(crate) fn bits(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Uniform in −1..1.
pub(crate) fn uniform(seed: u64) -> impl FnMut() -> f32 {
    let mut next = bits(seed);
    move || (next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Weights for [`layout`].
pub(crate) fn weights(seed: u64) -> NamedTensors {
    let mut next = uniform(seed);
    groups()
        .iter()
        .flat_map(|group| &group.tensors)
        .map(|t| {
            let len = t.shape.iter().product();
            let data = (0..len).map(|_| next()).collect();
            (
                t.name.clone(),
                HostTensor::new(t.shape.clone(), data).unwrap(),
            )
        })
        .collect()
}

/// All files below `dir`, by path relative to it.
pub(crate) fn files(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
