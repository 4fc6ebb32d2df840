//! Passes over a gradient: back through the activation, and sums per channel.

use rayon::prelude::*;

use crate::activation::deactivate;
use crate::kernel::vectorized;

/// Running sums at once: in a single one each addition would wait for the one before, and more digits would be lost.
const LANES: usize = 32;

/// Values of a thread's share of a pass.
const SHARE: usize = 1 << 14;

/// A value whose size is below this share of the bias has lost too many digits when the bias was added.
const DIGITS: f32 = 1e-3;

/// The gradient of the activation's input.
pub(super) fn before_activation(gradient: &[f32], output: &[f32], slope: f32) -> Vec<f32> {
    let mut before = vec![0.0; gradient.len()];
    let shares = before.par_chunks_mut(SHARE).zip(gradient.par_chunks(SHARE));
    shares
        .zip(output.par_chunks(SHARE))
        .for_each(|((to, gradient), output)| {
            vectorized(
                #[inline(always)]
                || {
                    for ((to, gradient), output) in to.iter_mut().zip(gradient).zip(output) {
                        *to = deactivate(*gradient, *output, slope);
                    }
                },
            );
        });
    before
}

/// Sums over images and pixels of `[B, channels, pixels]`.
pub(super) fn channel_sums(values: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let sums: Vec<[f32; 1]> = values
        .par_chunks_exact(pixels)
        .map(|plane| {
            vectorized(
                #[inline(always)]
                || {
                    let mut lanes = [0.0; LANES];
                    let chunks = plane.chunks_exact(LANES);
                    let rest: f32 = chunks.remainder().iter().sum();
                    for chunk in chunks {
                        for (lane, value) in lanes.iter_mut().zip(chunk) {
                            *lane += value;
                        }
                    }
                    [rest + lanes.iter().sum::<f32>()]
                },
            )
        })
        .collect();
    let [sums] = over_images(&sums, channels);
    sums
}

/// Per channel the sum of `gradient` and the sum of its products with `output − bias`; and whether `output − bias` has so
/// few digits left that the second sums have to be computed in another way.
pub(super) fn channel_products(
    gradient: &[f32],
    output: &[f32],
    bias: &[f32],
    pixels: usize,
) -> (Vec<f32>, Vec<f32>, bool) {
    let planes = gradient.par_chunks_exact(pixels);
    let sums: Vec<[f32; 3]> = planes
        .zip(output.par_chunks_exact(pixels))
        .enumerate()
        .map(|(i, (gradient, output))| {
            let bias = bias[i % bias.len()];
            vectorized(
                #[inline(always)]
                || products(gradient, output, bias),
            )
        })
        .collect();
    let [sum, product, lost] = over_images(&sums, bias.len());
    let lost = lost.iter().any(|lost| *lost > 0.0);
    (sum, product, lost)
}

#[inline(always)]
fn products(gradient: &[f32], output: &[f32], bias: f32) -> [f32; 3] {
    let mut lanes = [[0.0; LANES]; 3];
    let needed = DIGITS * bias.abs();
    let chunks = gradient.chunks_exact(LANES).zip(output.chunks_exact(LANES));
    for (gradient, output) in chunks {
        for i in 0..LANES {
            let value = output[i] - bias;
            lanes[0][i] += gradient[i];
            lanes[1][i] += gradient[i] * value;
            let lost = needed - value.abs();
            lanes[2][i] += if gradient[i] == 0.0 { 0.0 } else { lost };
        }
    }
    let mut sums = lanes.map(|lanes| lanes.iter().sum::<f32>());
    let start = gradient.len() / LANES * LANES;
    for (gradient, output) in gradient[start..].iter().zip(&output[start..]) {
        let value = output - bias;
        sums[0] += gradient;
        sums[1] += gradient * value;
        sums[2] += if *gradient == 0.0 {
            0.0
        } else {
            needed - value.abs()
        };
    }
    sums
}

/// Per channel the sum of `a · b`.
pub(super) fn channel_dots(a: &[f32], b: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let sums: Vec<[f32; 3]> = (a.par_chunks_exact(pixels))
        .zip(b.par_chunks_exact(pixels))
        .map(|(a, b)| {
            vectorized(
                #[inline(always)]
                || products(a, b, 0.0),
            )
        })
        .collect();
    let [_, dots, _] = over_images(&sums, channels);
    dots
}

fn over_images<const N: usize>(planes: &[[f32; N]], channels: usize) -> [Vec<f32>; N] {
    std::array::from_fn(|n| {
        let mut sums = vec![0.0; channels];
        for image in planes.chunks_exact(channels) {
            for (sum, plane) in sums.iter_mut().zip(image) {
                *sum += plane[n];
            }
        }
        sums
    })
}
