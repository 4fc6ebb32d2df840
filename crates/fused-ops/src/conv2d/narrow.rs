//! The products of a convolution whose small side has few channels, such as the head of a generator (64 to 3) or of a
//! discriminator (512 to 1).
//!
//! Gathering the large side copies each of its values for every tap of the kernel, and then multiplies the copy with a
//! few rows only. Here the product comes first, of the values in place, and its small result is moved instead:
//!
//! ```text
//!  kernel, a row for each          large side, in place        a plane for each            output channel f
//!  (f, i, j)                       some whole rows             (f, i, j)
//!  ┌──────────────┐                ┌────────────────┐          ┌────────────────┐          ┌────────────────┐
//!  │ (0, 0, 0)    │                │ channel 0      │          │ (0, 0, 0)      │ ── + ──▶ │ each plane is  │
//!  │ (0, 0, 1)    │       ×        │ channel 1      │    =     │ (0, 0, 1)      │ ── + ──▶ │ added, shifted │
//!  │ …            │                │ …              │          │ …              │          │ by its tap     │
//!  └──────────────┘                └────────────────┘          └────────────────┘          └────────────────┘
//! ```
//!
//! The thresholds are those of `times_of_both_ways` below.

use std::ops::Range;

use rayon::prelude::*;

use super::finish::Finish;
use super::gather::{Image, gather};
use super::geometry::{Geometry, Phase, Taps};
use super::products::{down, small_shares, weight_gradient};
use super::tiles::{GATHERED, Shares, with_buffer};
use crate::kernel::{Accumulate, Matrix, MatrixMut, multiply, vectorized};

/// Channels of the large side for each of the small side from which on the small side is narrow.
/// Chosen by `times_of_both_ways`.
const NARROW_RATIO: usize = 4;

/// Most channels of a small side whose products are moved: with more, the usual product has rows enough to pay for the
/// gathering.
/// Chosen by `times_of_both_ways`.
const MOST_MOVED: usize = 16;

/// Parts of an image's rows whose gradients are summed separately: enough shares of work for small batches.
const PARTS: usize = 4;

/// Output rows of a share: few shares, since neighbours both multiply the rows of the large side that both read.
const ROWS: usize = 64;

/// Pixels per product in a gradient's sum over pixels.
const DEPTH: usize = 512;

/// Whether the small side has few channels.
fn is_narrow(geometry: &Geometry) -> bool {
    geometry.small * NARROW_RATIO <= geometry.large
}

/// Whether to multiply before moving. A kernel of one pixel moves nothing, and with a larger stride most of the products
/// would be thrown away.
fn multiplies_first(geometry: &Geometry) -> bool {
    is_narrow(geometry)
        && geometry.small <= MOST_MOVED
        && geometry.stride == 1
        && geometry.area() > 1
}

/// The small side of the large side `x`, by the faster way.
pub(super) fn small_side(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    finish: Finish,
) -> Vec<f32> {
    let channels = geometry.small;
    let mut y = vec![0.0; geometry.batch * channels * geometry.small_pixels()];
    if multiplies_first(geometry) {
        narrow_down(geometry, x, weight, finish, &mut y);
    } else {
        let outputs = small_shares(geometry).split(&mut y, channels, geometry.small_size);
        down(geometry, x, weight, finish, outputs);
    }
    y
}

/// The gradient of the kernel `[small, large, kh, kw]` by the faster way.
pub(super) fn kernel_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
    if is_narrow(geometry) {
        narrow_weight_gradient(geometry, x, y)
    } else {
        weight_gradient(geometry, x, y)
    }
}

/// Multiplies every pixel of the large side with the whole kernel, and adds the products to the output pixels that read
/// it. All of `y` is written.
fn narrow_down(geometry: &Geometry, x: &[f32], weight: &[f32], finish: Finish, y: &mut [f32]) {
    let (small, area) = (geometry.small, geometry.area());
    let [height, width] = geometry.large_size;
    let taps = geometry.taps();
    let kernel = rows_of_taps(geometry, weight);
    let shares = Shares::of_rows(geometry.small_size[0], ROWS);
    let step = (GATHERED / (small * area * width)).clamp(1, height);
    let outputs = shares.split(y, small, geometry.small_size);
    outputs
        .into_par_iter()
        .enumerate()
        .for_each(|(i, mut output)| {
            let image = Image::of(x, i / shares.count(), geometry.large, geometry.large_size);
            let rows = shares.rows(i % shares.count());
            for (channel, output) in output.iter_mut().enumerate() {
                output.fill(finish.of(channel).0);
            }
            let (first, last) = (taps.rows[0], taps.rows[taps.rows.len() - 1]);
            let inside = |row: isize| row.clamp(0, height as isize) as usize;
            let needed = inside(rows.start as isize + first)..inside(rows.end as isize + last);
            with_buffer(small * area * step * width, |buffer| {
                for start in needed.clone().step_by(step) {
                    let here = (start + step).min(needed.end) - start;
                    let product = &mut buffer[..small * area * here * width];
                    multiply(
                        MatrixMut::new(product, small * area, here * width, here * width),
                        Matrix::new(&kernel, small * area, geometry.large, geometry.large),
                        Matrix::new(
                            &image.values[start * width..],
                            geometry.large,
                            here * width,
                            height * width,
                        ),
                        1.0,
                        Accumulate::Replace,
                    );
                    add_planes(&taps, product, start, width, &rows, &mut output);
                }
            });
            for (channel, output) in output.iter_mut().enumerate() {
                let slope = finish.of(channel).1;
                if slope != 1.0 {
                    for value in output.iter_mut() {
                        *value = crate::activation::activate(*value, slope);
                    }
                }
            }
        });
}

/// `[(f, i, j), c]` of the kernel `[f, c, i, j]`.
fn rows_of_taps(geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let area = geometry.area();
    let mut kernel = vec![0.0; weight.len()];
    for (f, weight) in weight.chunks_exact(geometry.large * area).enumerate() {
        for (c, weight) in weight.chunks_exact(area).enumerate() {
            for (k, value) in weight.iter().enumerate() {
                kernel[(f * area + k) * geometry.large + c] = *value;
            }
        }
    }
    kernel
}

/// Adds the planes of a product, of the large side's rows from `start` on, to the output rows that read them.
fn add_planes(
    taps: &Taps,
    product: &[f32],
    start: usize,
    width: usize,
    rows: &Range<usize>,
    output: &mut [&mut [f32]],
) {
    let plane = product.len() / (output.len() * taps.area());
    vectorized(
        #[inline(always)]
        || {
            let mut planes = product.chunks_exact(plane);
            for output in output {
                let out_width = output.len() / rows.len();
                for row_offset in &taps.rows {
                    for column_offset in &taps.columns {
                        let Some(plane) = planes.next() else { return };
                        for (row, values) in plane.chunks_exact(width).enumerate() {
                            let u = (start + row) as isize - row_offset;
                            let Ok(u) = usize::try_from(u) else { continue };
                            if !rows.contains(&u) {
                                continue;
                            }
                            let to = &mut output[(u - rows.start) * out_width..][..out_width];
                            add_shifted(to, values, *column_offset);
                        }
                    }
                }
            }
        },
    );
}

/// `to[v] += from[v + offset]` for all `v` for which both exist.
#[inline(always)]
fn add_shifted(to: &mut [f32], from: &[f32], offset: isize) {
    let skip = offset.min(0).unsigned_abs();
    let from = from.get(offset.max(0) as usize..).unwrap_or(&[]);
    let to = to.get_mut(skip..).unwrap_or(&mut []);
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// The gradient of the kernel as a product of the large side `x`, in place, with what its pixels read of the small side
/// `y`: gathering the few channels of `y` is cheap. The sums do not depend on the number of threads.
fn narrow_weight_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
    let (small, large) = (geometry.small, geometry.large);
    let mut gradient = vec![0.0; small * large * geometry.area()];
    for phase in geometry.phases() {
        let sums = phase_gradient(geometry, &phase, x, y);
        let mut rows = sums.chunks_exact(large);
        for f in 0..small {
            for i in &phase.kernel_rows {
                for j in &phase.kernel_columns {
                    let k = i * geometry.kernel[1] + j;
                    for (c, value) in rows.next().into_iter().flatten().enumerate() {
                        gradient[(f * large + c) * geometry.area() + k] = *value;
                    }
                }
            }
        }
    }
    gradient
}

/// The part of the gradient that a phase's pixels give, `[(f, i, j), c]`; empty if there are none.
fn phase_gradient(geometry: &Geometry, phase: &Phase, x: &[f32], y: &[f32]) -> Vec<f32> {
    let (small, large) = (geometry.small, geometry.large);
    let [height, width] = phase.size;
    let (area, stride) = (phase.taps.area(), geometry.stride);
    if area * height * width == 0 {
        return Vec::new();
    }
    let n = small * area;
    let pick = Taps {
        step: stride,
        rows: vec![phase.at[0] as isize],
        columns: vec![phase.at[1] as isize],
    };
    let part = height.div_ceil(PARTS);
    let step = (DEPTH / width).clamp(1, part);
    let shares: Vec<(usize, usize)> = (0..geometry.batch)
        .flat_map(|image| (0..height).step_by(part).map(move |row| (image, row)))
        .collect();
    let sums: Vec<Vec<f32>> = shares
        .par_iter()
        .map(|(index, first)| {
            let mut sum = vec![0.0; n * large];
            let from = Image::of(y, *index, small, geometry.small_size);
            let image = Image::of(x, *index, large, geometry.large_size);
            let end = (first + part).min(height);
            with_buffer((n + large) * step * width, |buffer| {
                let (gathered, picked) = buffer.split_at_mut(n * step * width);
                for row in (*first..end).step_by(step) {
                    let rows = row..(row + step).min(end);
                    let here = rows.len() * width;
                    let gathered = &mut gathered[..n * here];
                    gather(from, 0..small, &phase.taps, rows.clone(), width, gathered);
                    let pixels = if stride == 1 {
                        let values = &image.values[row * width..];
                        Matrix::new(values, large, here, height * width)
                    } else {
                        let picked = &mut picked[..large * here];
                        gather(image, 0..large, &pick, rows, width, picked);
                        Matrix::new(picked, large, here, here)
                    };
                    multiply(
                        MatrixMut::new(&mut sum, n, large, large),
                        Matrix::new(gathered, n, here, here),
                        pixels.transpose(),
                        1.0,
                        Accumulate::Add,
                    );
                }
            });
            sum
        })
        .collect();
    let mut total = vec![0.0; n * large];
    for sum in &sums {
        for (total, value) in total.iter_mut().zip(sum) {
            *total += value;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Median milliseconds of `work`.
    fn milliseconds(work: impl Fn() -> Vec<f32>) -> f64 {
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                assert!(!work().is_empty());
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }

    /// Times both ways around the thresholds, on images of 64 × 64:
    ///
    /// ```sh
    /// cargo test --release -p fused-ops times_of_both_ways -- --ignored --nocapture
    /// ```
    #[test]
    #[ignore = "a measurement, not a test"]
    fn times_of_both_ways() {
        for (large, kernel) in [(64, 3), (64, 7), (256, 3), (256, 4)] {
            for ratio in [64, 16, 8, 4, 2] {
                let small = large / ratio;
                let input = [1, large, 64, 64];
                let weights = [small, large, kernel, kernel];
                let geometry = Geometry::down(input, weights, 1, kernel / 2).unwrap();
                let values = |n: usize| (0..n).map(|i| (i % 17) as f32 - 8.0).collect::<Vec<_>>();
                let x = values(input.iter().product());
                let weight = values(weights.iter().product());
                let y = values(small * geometry.small_pixels());
                let pixels = small * geometry.small_pixels();
                let gathering = milliseconds(|| {
                    let mut y = vec![0.0; pixels];
                    let outputs = small_shares(&geometry).split(&mut y, small, geometry.small_size);
                    down(&geometry, &x, &weight, Finish::NOTHING, outputs);
                    y
                });
                let moving = milliseconds(|| {
                    let mut y = vec![0.0; pixels];
                    narrow_down(&geometry, &x, &weight, Finish::NOTHING, &mut y);
                    y
                });
                let usual = milliseconds(|| weight_gradient(&geometry, &x, &y));
                let narrow = milliseconds(|| narrow_weight_gradient(&geometry, &x, &y));
                println!(
                    "{large} to {small}, {kernel}×{kernel}: forward {gathering:.2} ms, multiplying first {moving:.2} ms; \
                     gradient {usual:.2} ms, narrow {narrow:.2} ms"
                );
            }
        }
    }
}
