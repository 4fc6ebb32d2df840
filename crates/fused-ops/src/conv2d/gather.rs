//! Copying what a convolution reads into the rows of a matrix (im2col, for the pixels of one share).

use std::ops::Range;

use super::geometry::Taps;
use crate::kernel::vectorized;

/// An image: channels of `size`.
#[derive(Clone, Copy)]
pub(super) struct Image<'a> {
    pub(super) values: &'a [f32],
    pub(super) size: [usize; 2],
}

impl<'a> Image<'a> {
    /// Number `index` of a batch of images with `channels` each.
    pub(super) fn of(batch: &'a [f32], index: usize, channels: usize, size: [usize; 2]) -> Self {
        let length = channels * size[0] * size[1];
        Self {
            values: &batch[index * length..][..length],
            size,
        }
    }
}

/// Writes one row of `to` for each (channel, tap row, tap column): what the output pixels in `rows` × `0..width` read
/// there.
pub(super) fn gather(
    image: Image,
    channels: Range<usize>,
    taps: &Taps,
    rows: Range<usize>,
    width: usize,
    to: &mut [f32],
) {
    let [image_height, image_width] = image.size;
    let step = taps.step;
    if step == 1 && width == image_width {
        return gather_shifted(image, channels, taps, rows, to);
    }
    if step == 2 && 2 * width == image_width && image_height.is_multiple_of(2) {
        return gather_halved(image, channels, taps, rows, to);
    }
    let spans: Vec<Span> = (taps.columns.iter())
        .map(|offset| Span::new(*offset, step, image_width, width))
        .collect();
    vectorized(
        #[inline(always)]
        || {
            let mut to = to.chunks_exact_mut(width);
            for channel in channels {
                let plane = &image.values[channel * image_height * image_width..];
                for row_offset in &taps.rows {
                    for span in &spans {
                        for u in rows.clone() {
                            let Some(to) = to.next() else { return };
                            let row = (step * u) as isize + row_offset;
                            if (0..image_height as isize).contains(&row) {
                                let from = &plane[row as usize * image_width..][..image_width];
                                span.copy(from, step, to);
                            } else {
                                to.fill(0.0);
                            }
                        }
                    }
                }
            }
        },
    );
}

/// [`gather`] if input and output rows have the same length.
fn gather_shifted(
    image: Image,
    channels: Range<usize>,
    taps: &Taps,
    rows: Range<usize>,
    to: &mut [f32],
) {
    let [height, width] = image.size;
    let mut blocks = to.chunks_exact_mut(rows.len() * width);
    for channel in channels {
        let plane = &image.values[channel * height * width..][..height * width];
        for row_offset in &taps.rows {
            for offset in &taps.columns {
                let Some(block) = blocks.next() else { return };
                copy_shifted(plane, width, (*row_offset, *offset), rows.clone(), block);
            }
        }
    }
}

/// [`gather`] if output rows are half as long as input rows: each channel is split into four planes, of the pixels in
/// even and odd rows and columns, from which whole rows are copied.
fn gather_halved(
    image: Image,
    channels: Range<usize>,
    taps: &Taps,
    rows: Range<usize>,
    to: &mut [f32],
) {
    let [height, width] = image.size.map(|size| size / 2);
    let shifts = || taps.rows.iter().map(|offset| offset.div_euclid(2));
    let inside = |row: isize| row.clamp(0, height as isize) as usize;
    let first = inside(rows.start as isize + shifts().min().unwrap_or(0));
    let last = inside(rows.end as isize + shifts().max().unwrap_or(0));
    let size = last.saturating_sub(first) * width;
    let mut planes = vec![0.0; 4 * size];
    let mut blocks = to.chunks_exact_mut(rows.len() * width);
    for channel in channels {
        let plane = &image.values[channel * 4 * height * width..][..4 * height * width];
        let source = plane[4 * first * width..].chunks_exact(2 * width);
        vectorized(
            #[inline(always)]
            || {
                let (upper, lower) = planes.split_at_mut(2 * size);
                for (row, from) in source.take(2 * (last.max(first) - first)).enumerate() {
                    let half = if row % 2 == 0 {
                        &mut *upper
                    } else {
                        &mut *lower
                    };
                    let (even, odd) = half.split_at_mut(size);
                    let even = &mut even[row / 2 * width..][..width];
                    let odd = &mut odd[row / 2 * width..][..width];
                    for ((even, odd), pair) in even.iter_mut().zip(odd).zip(from.chunks_exact(2)) {
                        *even = pair[0];
                        *odd = pair[1];
                    }
                }
            },
        );
        for row_offset in &taps.rows {
            for offset in &taps.columns {
                let Some(block) = blocks.next() else { return };
                let half = 2 * row_offset.rem_euclid(2) + offset.rem_euclid(2);
                let plane = &planes[half as usize * size..][..size];
                let row_shift = row_offset.div_euclid(2) - first as isize;
                let shift = (row_shift, offset.div_euclid(2));
                copy_shifted(plane, width, shift, rows.clone(), block);
            }
        }
    }
}

/// Rows `rows` of the plane, shifted by `row_offset` and `offset`, zero outside. A shift moves every pixel by the same
/// distance in memory, so this is one copy; only the columns at one edge, which it takes from the neighbouring row, are
/// set to zero afterwards.
fn copy_shifted(
    plane: &[f32],
    width: usize,
    (row_offset, offset): (isize, isize),
    rows: Range<usize>,
    to: &mut [f32],
) {
    let height = (plane.len() / width) as isize;
    let within = |u: isize| (u - rows.start as isize).clamp(0, rows.len() as isize) as usize;
    let inside = within(-row_offset)..within(height - row_offset);
    to[..inside.start * width].fill(0.0);
    to[inside.end.max(inside.start) * width..].fill(0.0);
    if inside.is_empty() {
        return;
    }
    let to = &mut to[inside.start * width..inside.end * width];
    let first = (rows.start + inside.start) as isize + row_offset;
    let from = first * width as isize + offset;
    let start = (-from).clamp(0, to.len() as isize) as usize;
    let end = (plane.len() as isize - from).clamp(0, to.len() as isize) as usize;
    if start < end {
        let from = (from + start as isize) as usize;
        to[start..end].copy_from_slice(&plane[from..][..end - start]);
    }
    let edge = offset.unsigned_abs().min(width);
    let edge = match offset {
        0 => return,
        ..0 => 0..edge,
        _ => width - edge..width,
    };
    for row in to.chunks_exact_mut(width) {
        row[edge.clone()].fill(0.0);
    }
}

/// The part of an output row whose input lies inside of the image.
struct Span {
    start: usize,
    end: usize,
    /// Where the first of them reads.
    from: usize,
}

impl Span {
    fn new(offset: isize, step: usize, image_width: usize, width: usize) -> Self {
        let before = offset.min(0).unsigned_abs().div_ceil(step);
        let start = before.min(width);
        let inside = (image_width as isize - offset).max(0) as usize;
        let end = inside.div_ceil(step).clamp(start, width);
        let from = ((start * step) as isize + offset).max(0) as usize;
        Self { start, end, from }
    }

    #[inline(always)]
    fn copy(&self, from: &[f32], step: usize, to: &mut [f32]) {
        to[..self.start].fill(0.0);
        to[self.end..].fill(0.0);
        let to = &mut to[self.start..self.end];
        if to.is_empty() {
            return;
        }
        let from = &from[self.from..];
        match step {
            1 => to.copy_from_slice(&from[..to.len()]),
            2 => {
                let last = to.len() - 1;
                let (pairs, rest) = to.split_at_mut(last);
                for (to, from) in pairs.iter_mut().zip(from.chunks_exact(2)) {
                    *to = from[0];
                }
                rest[0] = from[2 * last];
            }
            _ => {
                for (to, from) in to.iter_mut().zip(from.iter().step_by(step)) {
                    *to = *from;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_definition_says() {
        for size in [[5, 6], [8, 6]] {
            let values: Vec<f32> = (0..2 * size[0] * 6).map(|i| i as f32 + 1.0).collect();
            let image = Image {
                values: &values,
                size,
            };
            for step in 1..=3 {
                for offsets in [vec![-2, -1, 0, 1, 2], vec![0], vec![-9, 9], vec![3, -3]] {
                    let taps = Taps {
                        step,
                        rows: offsets.clone(),
                        columns: offsets,
                    };
                    // Rows as long as the image's, and shorter ones.
                    for (rows, width) in [(1..4, 4), (0..5, 6), (2..3, 6), (0..4, 3), (1..3, 3)] {
                        let mut found = vec![-1.0; 2 * taps.area() * rows.len() * width];
                        gather(image, 0..2, &taps, rows.clone(), width, &mut found);
                        let mut expected = Vec::new();
                        let at = |c: usize, row: isize, column: isize| {
                            let inside =
                                (0..size[0] as isize).contains(&row) && (0..6).contains(&column);
                            let index = (c * size[0] * 6) as isize + row * 6 + column;
                            if inside { values[index as usize] } else { 0.0 }
                        };
                        for c in 0..2 {
                            for r in &taps.rows {
                                for s in &taps.columns {
                                    for u in rows.clone() {
                                        for v in 0..width {
                                            let (u, v) = ((step * u) as isize, (step * v) as isize);
                                            expected.push(at(c, u + r, v + s));
                                        }
                                    }
                                }
                            }
                        }
                        assert_eq!(found, expected, "step {step}, {taps:?}");
                    }
                }
            }
        }
    }
}
