//! The kernel's gradient for a narrow small side: its few channels are gathered, and the large side stays in place.

use rayon::prelude::*;

use crate::conv2d::gather::{Image, gather};
use crate::conv2d::geometry::{Geometry, Phase, Taps};
use crate::conv2d::tiles::with_buffer;
use crate::kernel::{Accumulate, Matrix, MatrixMut, multiply};

/// Parts of an image's rows whose gradients are summed separately: enough shares of work for small batches.
const PARTS: usize = 4;

/// Pixels per product in a gradient's sum over pixels.
const DEPTH: usize = 512;

/// The gradient of the kernel as a product of the large side `x`, in place, with what its pixels read of the small side
/// `y`: gathering the few channels of `y` is cheap. The sums do not depend on the number of threads.
pub(super) fn narrow_weight_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
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
