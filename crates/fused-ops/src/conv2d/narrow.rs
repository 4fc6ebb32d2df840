//! The products of a convolution whose small side has few channels: gathering the large side would
//! copy each value for every place of the kernel and then use it for next to nothing.

use rayon::prelude::*;

use super::gather::{Image, gather};
use super::geometry::{Geometry, Taps};
use super::products::{Finish, down, small_shares, weight_gradient};
use super::tiles::{GATHERED, Shares, with_buffer};
use crate::kernel::{Accumulate, Matrix, MatrixMut, multiply, vectorized};

/// Parts of an image's rows that a gradient sums apart.
const PARTS: usize = 4;

/// Rows of outputs that share what they read of the large side.
const ROWS: usize = 64;

/// Pixels of a step of a gradient's sum over pixels.
const DEPTH: usize = 512;

fn narrow(geometry: &Geometry) -> bool {
    geometry.small * 4 <= geometry.large
}

/// [`down`] of all channels by the cheaper way.
pub(super) fn small_side(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    finish: Finish,
) -> Vec<f32> {
    let channels = geometry.small;
    let mut y = vec![0.0; geometry.batch * channels * geometry.small_pixels()];
    if narrow(geometry) && geometry.stride == 1 && geometry.area() > 1 && channels <= 16 {
        narrow_down(geometry, x, weight, finish, &mut y);
    } else {
        let outputs = small_shares(geometry).split(&mut y, channels, geometry.small_size);
        down(geometry, x, weight, finish, outputs);
    }
    y
}

/// The gradient of the kernel `[small, large, kh, kw]` by the cheaper way.
pub(super) fn kernel_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
    if narrow(geometry) {
        narrow_weight_gradient(geometry, x, y)
    } else {
        weight_gradient(geometry, x, y)
    }
}

/// Every pixel of the large side times all of the kernel, added up where the small side reads it.
fn narrow_down(geometry: &Geometry, x: &[f32], weight: &[f32], finish: Finish, y: &mut [f32]) {
    let (small, area) = (geometry.small, geometry.area());
    let [height, width] = geometry.large_size;
    let out_width = geometry.small_size[1];
    let taps = geometry.taps();
    // [(f, i, j), c] of [f, c, i, j].
    let mut kernel = vec![0.0; weight.len()];
    for (f, weight) in weight.chunks_exact(geometry.large * area).enumerate() {
        for (c, weight) in weight.chunks_exact(area).enumerate() {
            for (k, value) in weight.iter().enumerate() {
                kernel[(f * area + k) * geometry.large + c] = *value;
            }
        }
    }
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
                    vectorized(
                        #[inline(always)]
                        || {
                            let mut planes = product.chunks_exact(here * width);
                            for output in &mut output {
                                for row_offset in &taps.rows {
                                    for column_offset in &taps.columns {
                                        let Some(plane) = planes.next() else { return };
                                        for (row, values) in plane.chunks_exact(width).enumerate() {
                                            let u = (start + row) as isize - row_offset;
                                            let Ok(u) = usize::try_from(u) else { continue };
                                            if !rows.contains(&u) {
                                                continue;
                                            }
                                            let to = &mut output[(u - rows.start) * out_width..]
                                                [..out_width];
                                            add_shifted(to, values, *column_offset);
                                        }
                                    }
                                }
                            }
                        },
                    );
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

/// `to[v] += from[v + offset]` wherever both exist.
#[inline(always)]
fn add_shifted(to: &mut [f32], from: &[f32], offset: isize) {
    let skip = offset.min(0).unsigned_abs();
    let from = from.get(offset.max(0) as usize..).unwrap_or(&[]);
    let to = to.get_mut(skip..).unwrap_or(&mut []);
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// The large side `x` with what its pixels read of the small side `y`. The sums do not depend on the
/// number of threads.
fn narrow_weight_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
    let (small, large) = (geometry.small, geometry.large);
    let mut gradient = vec![0.0; small * large * geometry.area()];
    for phase in geometry.phases() {
        let [height, width] = phase.size;
        let (area, stride) = (phase.taps.area(), geometry.stride);
        if area * height * width == 0 {
            continue;
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
        let mut rows = total.chunks_exact(large);
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
