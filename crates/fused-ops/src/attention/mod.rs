//! Attention between the projections of two sequences.

#[cfg(feature = "flex")]
mod backward;
#[cfg(feature = "flex")]
mod kernel;

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Tensor, module};

/// Most scores that the composition holds at once if no gradient is needed: 16 MiB.
const MAX_SCORES: usize = 1 << 22;

/// softmax(Q Kᵗ / √d + bias) V of every head: `query` `[B, L, C]`, `key` and `value` `[G, M, C]` with G
/// = B, or G = 1 for keys that the whole batch shares, d = C / heads; `bias` `[G, M]` is added to the scores
/// of every query (0 for a visible key, a large negative number for a hidden one). Gives `[B, L, C]`.
///
/// Composed: heads split off and swapped, matrix products, softmax. The kernel reads the heads in
/// place and holds the scores of one head for a part of the queries at a time; its backward pass recomputes them.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    bias: Option<Tensor<2>>,
    heads: usize,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&query, &key, &value, bias.as_ref(), heads) {
        return y;
    }
    composed(query, key, value, bias, heads)
}

fn composed(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    bias: Option<Tensor<2>>,
    heads: usize,
) -> Tensor<3> {
    let [batch, length, width] = query.dims();
    let [groups, keys, _] = key.dims();
    // Shared keys: the queries of the whole batch are one long sequence, and nothing is copied.
    let query = if groups == 1 {
        query.reshape([1, batch * length, width])
    } else {
        query
    };
    let split = |value: Tensor<3>| {
        let [groups, length, width] = value.dims();
        value
            .reshape([groups, length, heads, width / heads])
            .swap_dims(1, 2)
    };
    let scale = ((width / heads) as f64).powf(-0.5);
    let query = split(query.mul_scalar(scale));
    let bias = bias.map(|bias| bias.reshape([groups, 1, 1, keys]));
    let lean = !query.is_autodiff() && batch * heads * length * keys > MAX_SCORES;
    let mixed = mix(query, split(key), split(value), bias, lean);
    mixed.swap_dims(1, 2).reshape([batch, length, width])
}

/// softmax(QKᵗ + bias) V of scaled queries `[G, H, L, D]`. `lean` asks the backend's own attention, which
/// holds the scores of a part at a time; gradients need them all.
fn mix(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    lean: bool,
) -> Tensor<4> {
    if lean {
        let options = AttentionModuleOptions {
            scale: Some(1.0),
            softcap: None,
            is_causal: false,
        };
        return module::attention(query, key, value, None, bias, options);
    }
    let mut scores = query.matmul(key.swap_dims(2, 3));
    if let Some(bias) = bias {
        scores = scores + bias;
    }
    // Softmax, divided after the product: the graph keeps one tensor of the scores' size, where `softmax` keeps three.
    let largest = scores.clone().detach().max_dim(3);
    let weights = (scores - largest).exp();
    let sums = weights.clone().sum_dim(3);
    weights.matmul(value) / sums
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::testing::{close, compare, random};

    #[test]
    fn kernel_and_composition_agree() {
        let (heads, width) = (2, 10);
        // Self-attention, one text each, one text for all, and more queries than a tile holds.
        for (batch, length, groups, keys) in [
            (3, 7, 3, 7),
            (3, 4, 3, 5),
            (3, 4, 1, 20),
            (2, 300, 1, 3),
            (1, 300, 1, 300),
        ] {
            for hide in [false, true] {
                let layer = |kernel: bool| {
                    move |t: &[Tensor<1>]| {
                        let query = t[0].clone().reshape([batch, length, width]);
                        let key = t[1].clone().reshape([groups, keys, width]);
                        let value = t[2].clone().reshape([groups, keys, width]);
                        let hidden = |i: usize| if i % 5 == 3 { -1e9f32 } else { 0.0 };
                        let hidden = (0..groups * keys).map(hidden).collect();
                        let hidden = TensorData::new::<f32, _>(hidden, [groups, keys]);
                        let device: Device = query.device();
                        let bias = hide.then(|| Tensor::<2>::from_data(hidden, &device));
                        let layer = if kernel { attention } else { composed };
                        layer(query, key, value, bias, heads).flatten::<1>(0, 2)
                    }
                };
                let lengths = [
                    batch * length * width,
                    groups * keys * width,
                    groups * keys * width,
                ];
                compare(&lengths, &[true; 3], layer(true), layer(false));
            }
        }
    }

    #[test]
    fn lean_attention_gives_the_same_values() {
        let device = Device::flex();
        // Self-attention, cross-attention of a batch, one prompt for all, and more scores than Burn's
        // CPU backend holds at once (2¹⁸).
        for (groups, length, keys) in [(3, 10, 10), (3, 10, 7), (1, 500, 7), (1, 700, 700)] {
            let (query, key) = (
                random([groups, 2, length, 8], 1),
                random([groups, 2, keys, 8], 2),
            );
            let value = random([groups, 2, keys, 8], 3);
            let hidden = (0..groups * keys).map(|i| if i % 5 == 3 { -1e9f32 } else { 0.0 });
            let hidden = TensorData::new(hidden.collect(), [groups, 1, 1, keys]);
            let bias = Tensor::<4>::from_data(hidden, &device);
            for bias in [None, Some(bias)] {
                let with = |lean| {
                    let tensors = (query.clone(), key.clone(), value.clone());
                    mix(tensors.0, tensors.1, tensors.2, bias.clone(), lean)
                };
                let flat = |mixed: Tensor<4>| mixed.flatten::<1>(0, 3);
                close("lean", flat(with(true)), flat(with(false)));
            }
        }
    }
}
