//! The three products of a convolution: to the small side, to the large side, and the kernel's gradient.

use std::ops::Range;

use rayon::prelude::*;

use super::finish::Finish;
use super::gather::{Image, gather};
use super::geometry::{Geometry, Phase, Taps};
use super::tiles::{GATHERED, Shares, with_buffer};
use crate::kernel::{Accumulate, Matrix, MatrixMut, multiply, vectorized};

/// Pixels per product in a gradient's sum over pixels.
const DEPTH: usize = 512;

/// Groups of images whose gradients are summed separately, if the blocks of channels alone are too few shares of work.
const GROUPS: usize = 8;

/// `weight` `[n, channels·taps]` times what the pixels `rows` × `0..width` read, into `product`.
fn multiply_gathered(
    image: Image,
    channels: usize,
    taps: &Taps,
    (rows, width): (Range<usize>, usize),
    weight: &[f32],
    (gathered, product): (&mut [f32], &mut [f32]),
) {
    let (area, pixels) = (taps.area(), rows.len() * width);
    let depth = channels * area;
    let outputs = product.len() / pixels;
    if depth == 0 {
        product.fill(0.0);
        return;
    }
    let block = channels_of(area * pixels, channels);
    for start in (0..channels).step_by(block) {
        let end = (start + block).min(channels);
        let depth_here = (end - start) * area;
        let gathered = &mut gathered[..depth_here * pixels];
        gather(image, start..end, taps, rows.clone(), width, gathered);
        multiply(
            MatrixMut::new(product, outputs, pixels, pixels),
            Matrix::new(&weight[start * area..], outputs, depth_here, depth),
            Matrix::new(gathered, depth_here, pixels, pixels),
            1.0,
            match start {
                0 => Accumulate::Replace,
                _ => Accumulate::Add,
            },
        );
    }
}

/// Channels that are gathered at once, each of which takes `length` values.
fn channels_of(length: usize, channels: usize) -> usize {
    (GATHERED / length.max(1)).clamp(1, channels)
}

/// The small side of the large side `x`, by `weight` `[n, large·kh·kw]`: n channels to each of
/// `outputs`, which are [`small_shares`].
pub(super) fn down(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    finish: Finish,
    outputs: Vec<Vec<&mut [f32]>>,
) {
    let taps = geometry.taps();
    let shares = small_shares(geometry);
    let width = geometry.small_size[1];
    outputs
        .into_par_iter()
        .enumerate()
        .for_each(|(i, mut output)| {
            let image = Image::of(x, i / shares.count(), geometry.large, geometry.large_size);
            let rows = shares.rows(i % shares.count());
            let pixels = rows.len() * width;
            let area = taps.area();
            let depth = channels_of(area * pixels, geometry.large) * area;
            with_buffer((depth + output.len()) * pixels, |buffer| {
                let (gathered, product) = buffer.split_at_mut(depth * pixels);
                let place = (rows, width);
                let buffers = (gathered, &mut *product);
                multiply_gathered(image, geometry.large, &taps, place, weight, buffers);
                vectorized(
                    #[inline(always)]
                    || {
                        let rows = output.iter_mut().zip(product.chunks_exact(pixels));
                        for (channel, (to, values)) in rows.enumerate() {
                            finish.write(channel, values, to);
                        }
                    },
                );
            });
        });
}

pub(super) fn small_shares(geometry: &Geometry) -> Shares {
    Shares::new(geometry.small_size, 1)
}

/// The large side of the small side `y`, by `weight` `[small, n, kh, kw]`: n channels to each of
/// `outputs`, which are [`large_shares`].
pub(super) fn up(
    geometry: &Geometry,
    y: &[f32],
    weight: &[f32],
    finish: Finish,
    outputs: Vec<Vec<&mut [f32]>>,
) {
    let stride = geometry.stride;
    let channels = weight.len() / (geometry.small * geometry.area());
    let phases: Vec<(Phase, Vec<f32>)> = (geometry.phases().into_iter())
        .map(|phase| {
            let weight = phase_weight(geometry, &phase, weight, channels);
            (phase, weight)
        })
        .collect();
    let shares = large_shares(geometry);
    outputs
        .into_par_iter()
        .enumerate()
        .for_each(|(i, mut output)| {
            let image = Image::of(y, i / shares.count(), geometry.small, geometry.small_size);
            let rows = shares.rows(i % shares.count());
            for phases in phases.chunks_exact(stride) {
                up_rows(geometry, image, phases, rows.clone(), finish, &mut output);
            }
        });
}

/// The `rows` of a share that are of one kind: `stride` phases, whose pixels alternate in each row.
fn up_rows(
    geometry: &Geometry,
    image: Image,
    phases: &[(Phase, Vec<f32>)],
    rows: Range<usize>,
    finish: Finish,
    output: &mut [&mut [f32]],
) {
    let (stride, large_width) = (geometry.stride, geometry.large_size[1]);
    let a = phases[0].0.at[0];
    let first = rows.start / stride;
    let rows = first..(first + rows.len().saturating_sub(a).div_ceil(stride));
    if rows.is_empty() {
        return;
    }
    let lengths = phases.iter().map(|(phase, _)| {
        let (pixels, area) = (rows.len() * phase.size[1], phase.taps.area());
        let depth = channels_of(area * pixels, geometry.small) * area;
        (depth * pixels, output.len() * pixels)
    });
    let gathered = lengths.clone().map(|length| length.0).max().unwrap_or(0);
    let products: usize = lengths.map(|length| length.1).sum();
    with_buffer(gathered + products, |buffer| {
        let (gathered, mut rest) = buffer.split_at_mut(gathered);
        let mut products = Vec::with_capacity(stride);
        for (phase, weight) in phases {
            let pixels = rows.len() * phase.size[1];
            let (product, others) = rest.split_at_mut(output.len() * pixels);
            rest = others;
            if pixels > 0 {
                let place = (rows.clone(), phase.size[1]);
                let buffers = (&mut *gathered, &mut *product);
                multiply_gathered(image, geometry.small, &phase.taps, place, weight, buffers);
            }
            products.push((&*product, phase.size[1]));
        }
        vectorized(
            #[inline(always)]
            || {
                for (channel, to) in output.iter_mut().enumerate() {
                    let planes = to[a * large_width..].chunks_mut(stride * large_width);
                    for (u, to) in planes.enumerate().take(rows.len()) {
                        let to = &mut to[..large_width];
                        let of = |b: usize| {
                            let (product, width) = products[b];
                            &product[(channel * rows.len() + u) * width..][..width]
                        };
                        match stride {
                            1 => finish.write(channel, of(0), to),
                            2 => finish.write_pairs(channel, of(0), of(1), to),
                            _ => {
                                for b in 0..stride.min(large_width) {
                                    finish.write_apart(channel, of(b), stride, &mut to[b..]);
                                }
                            }
                        }
                    }
                }
            },
        );
    });
}

pub(super) fn large_shares(geometry: &Geometry) -> Shares {
    Shares::new(geometry.large_size, geometry.stride)
}

/// `[n, small·taps]` of `[small, n, kh, kw]`.
fn phase_weight(geometry: &Geometry, phase: &Phase, weight: &[f32], channels: usize) -> Vec<f32> {
    let area = geometry.area();
    let mut values = Vec::with_capacity(channels * geometry.small * phase.taps.area());
    for channel in 0..channels {
        for small in 0..geometry.small {
            let kernel = &weight[(small * channels + channel) * area..][..area];
            for i in &phase.kernel_rows {
                values.extend(
                    (phase.kernel_columns.iter()).map(|j| kernel[i * geometry.kernel[1] + j]),
                );
            }
        }
    }
    values
}

/// The gradient of the kernel `[small, large, kh, kw]`: the small side `y` with what its pixels read
/// of the large side `x`. The sums do not depend on the number of threads.
pub(super) fn weight_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
    let taps = geometry.taps();
    let [height, width] = geometry.small_size;
    let (area, pixels) = (taps.area(), geometry.small_pixels());
    let rows = (DEPTH / width).clamp(1, height);
    let block = channels_of(area * rows * width, geometry.large);
    let starts: Vec<usize> = (0..geometry.large).step_by(block).collect();
    let groups = match starts.len() {
        1..GROUPS => GROUPS.min(geometry.batch),
        _ => 1,
    };
    let group = geometry.batch.div_ceil(groups);
    let shares: Vec<(usize, usize)> = (0..geometry.batch)
        .step_by(group)
        .flat_map(|image| starts.iter().map(move |start| (image, *start)))
        .collect();
    let parts: Vec<Vec<f32>> = shares
        .par_iter()
        .map(|(first, start)| {
            let channels = *start..(start + block).min(geometry.large);
            let n = channels.len() * area;
            let mut sum = vec![0.0; geometry.small * n];
            with_buffer(n * rows * width, |buffer| {
                for index in *first..(first + group).min(geometry.batch) {
                    let image = Image::of(x, index, geometry.large, geometry.large_size);
                    let y = &y[index * geometry.small * pixels..][..geometry.small * pixels];
                    for row in (0..height).step_by(rows) {
                        let rows = row..(row + rows).min(height);
                        let here = rows.len() * width;
                        let gathered = &mut buffer[..n * here];
                        gather(image, channels.clone(), &taps, rows, width, gathered);
                        multiply(
                            MatrixMut::new(&mut sum, geometry.small, n, n),
                            Matrix::new(&y[row * width..], geometry.small, here, pixels),
                            Matrix::new(gathered, n, here, here).transpose(),
                            1.0,
                            Accumulate::Add,
                        );
                    }
                }
            });
            sum
        })
        .collect();
    let depth = geometry.large * area;
    let mut gradient = vec![0.0; geometry.small * depth];
    for ((_, start), part) in shares.iter().zip(&parts) {
        let n = part.len() / geometry.small;
        for (to, part) in gradient.chunks_exact_mut(depth).zip(part.chunks_exact(n)) {
            for (to, value) in to[start * area..].iter_mut().zip(part) {
                *to += value;
            }
        }
    }
    gradient
}
