//! The gated feed-forward of a transformer block.

#[cfg(feature = "flex")]
mod kernel;

use burn::tensor::Tensor;

use crate::gelu;

/// Weights of a GEGLU feed-forward (Shazeer 2020), matrices as `[inputs, outputs]`.
#[derive(Debug, Clone)]
pub struct GatedFeedForward {
    /// `[C, 2H]`, to the values and then to the gates.
    pub input: Tensor<2>,
    /// `[2H]`.
    pub input_bias: Tensor<1>,
    /// `[H, C']`.
    pub output: Tensor<2>,
    /// `[C']`.
    pub output_bias: Tensor<1>,
}

/// `(value · gelu(gate)) · output + bias + residual` with `(value, gate)` the halves of `x · input + bias`:
/// `x` `[.., C]`, `residual` `[.., C']`.
///
/// The kernel keeps the 2H-wide values of a few rows in the cache, and writes them only if a backward pass will
/// need them.
///
/// # Panics
/// Panics if the shapes do not fit, as the tensor operations do.
pub fn gated_feed_forward(
    x: Tensor<3>,
    weights: &GatedFeedForward,
    residual: Tensor<3>,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if let Some(y) = kernel::run(&x, weights, &residual) {
        return y;
    }
    composed(x, weights, residual)
}

fn composed(x: Tensor<3>, weights: &GatedFeedForward, residual: Tensor<3>) -> Tensor<3> {
    let wide = x.matmul(weights.input.clone().unsqueeze());
    let wide = wide + weights.input_bias.clone().unsqueeze();
    let half = wide.dims()[2] / 2;
    let gate = gelu(wide.clone().narrow(2, half, half));
    let hidden = wide.narrow(2, 0, half) * gate;
    let y = hidden.matmul(weights.output.clone().unsqueeze());
    residual + (y + weights.output_bias.clone().unsqueeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compare;

    #[test]
    fn kernel_and_composition_agree() {
        // Fewer rows than a tile, and several tiles with a last one that is not full.
        for (batch, length, k, h, n) in [(2, 3, 5, 4, 6), (3, 100, 8, 16, 8)] {
            let layer = |kernel: bool| {
                move |t: &[Tensor<1>]| {
                    let weights = GatedFeedForward {
                        input: t[1].clone().reshape([k, 2 * h]),
                        input_bias: t[2].clone(),
                        output: t[3].clone().reshape([h, n]),
                        output_bias: t[4].clone(),
                    };
                    let x = t[0].clone().reshape([batch, length, k]);
                    let residual = t[5].clone().reshape([batch, length, n]);
                    let layer = if kernel { gated_feed_forward } else { composed };
                    layer(x, &weights, residual).flatten::<1>(0, 2)
                }
            };
            let rows = batch * length;
            let lengths = [rows * k, k * 2 * h, 2 * h, h * n, n, rows * n];
            compare(&lengths, &[true; 6], layer(true), layer(false));
        }
    }
}
