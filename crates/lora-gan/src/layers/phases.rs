//! Kernels of transposed convolutions that leave no checkerboard.

use burn::tensor::{Device, Tensor, TensorData};

/// Changes each kernel by as little as possible (in L2) such that all output phases get taps of the same sum. A transposed
/// convolution of stride `s` computes its output at `s × s` phases, each with its own taps of the kernel; with equal sums a
/// flat input has a flat output (Sugawara, Shiota and Kiya, ICIP 2018).
///
/// `kernels` is `[.., k, k]`, flattened to `[n, k·k]`.
pub(crate) fn balance(kernels: Tensor<2>, stride: usize) -> Tensor<2> {
    let device = kernels.device();
    let [_, area] = kernels.dims();
    kernels.matmul(projection(area.isqrt(), stride, &device))
}

/// The orthogonal projection of `[k·k]` taps onto those of equal sums, `[k·k, k·k]`: a tap of phase p gives up
/// `(S_p − m) / n_p`, where `n_p` taps have the sum `S_p`, and `m` is the sum that all phases get.
fn projection(k: usize, stride: usize, device: &Device) -> Tensor<2> {
    let phase = |tap: usize| (tap / k % stride, tap % k % stride);
    let taps = || 0..k * k;
    let count = |tap| taps().filter(|&other| phase(other) == phase(tap)).count() as f32;
    // Σ 1/n_p over the phases; each of the n_p taps of a phase adds 1/n_p².
    let total: f32 = taps().map(|tap| count(tap).powi(-2)).sum();
    let value = |from: usize, to: usize| {
        let same = if phase(from) == phase(to) {
            1.0 / count(to)
        } else {
            0.0
        };
        let own = if from == to { 1.0 } else { 0.0 };
        own - same + 1.0 / (count(from) * count(to) * total)
    };
    let values: Vec<f32> = taps()
        .flat_map(|from| taps().map(move |to| value(from, to)))
        .collect();
    Tensor::from_data(TensorData::new(values, [k * k, k * k]), device)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn all_phases_have_the_same_sum_and_nothing_else_changes() {
        let device = Device::flex();
        device.seed(1);
        for k in [3, 4] {
            let kernels = Tensor::<2>::random([5, k * k], Distribution::Normal(0.0, 1.0), &device);
            let projected = balance(kernels.clone(), 2);
            let again = balance(projected.clone(), 2);
            let difference = |a: Tensor<2>, b: Tensor<2>| (a - b).abs().max().into_scalar::<f32>();
            assert!(difference(projected.clone(), again) < 1e-6);
            // What was taken away is orthogonal to what is left.
            let product = (projected.clone() * (kernels - projected.clone())).sum_dim(1);
            assert!(product.abs().max().into_scalar::<f32>() < 1e-5);
            let taps: Vec<f32> = projected.into_data().try_to_vec().unwrap();
            for kernel in taps.chunks(k * k) {
                let mut sums = [0.0_f32; 4];
                for (tap, value) in kernel.iter().enumerate() {
                    sums[tap / k % 2 * 2 + tap % k % 2] += value;
                }
                assert!(
                    sums.iter().all(|sum| (sum - sums[0]).abs() < 1e-5),
                    "{sums:?}"
                );
                assert!(kernel.iter().any(|value| value.abs() > 0.1));
            }
        }
    }
}
