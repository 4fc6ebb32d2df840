//! From the large side to a narrow small one: the product comes first, of the values in place, and its small result is
//! moved.
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

use std::ops::Range;

use rayon::prelude::*;

use crate::activation::activate;
use crate::conv2d::finish::Finish;
use crate::conv2d::gather::Image;
use crate::conv2d::geometry::{Geometry, Taps};
use crate::conv2d::tiles::{GATHERED, Shares, with_buffer};
use crate::kernel::{Accumulate, Matrix, MatrixMut, multiply, vectorized};

/// Output rows of a share: few shares, since neighbours both multiply the rows of the large side that both read.
const ROWS: usize = 64;

/// Multiplies every pixel of the large side with the whole kernel, and adds the products to the output pixels that read
/// it. All of `y` is written.
pub(super) fn narrow_down(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    finish: Finish,
    y: &mut [f32],
) {
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
                        *value = activate(*value, slope);
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
