//! Stages with a pattern of fixed period, anchored at the upper left corner.

use std::f32::consts::TAU;

use super::canvas::Canvas;
use super::{Screen, Texture};

/// Replaces the pixels of every cell by their mean. `cell` returns the cell of (x, y).
fn average_cells(canvas: &mut Canvas, columns: usize, cell: impl Fn(usize, usize) -> usize) {
    let mut sums: Vec<([f32; 3], f32)> = Vec::new();
    let width = canvas.width;
    for (i, pixel) in canvas.pixels.iter().enumerate() {
        let index = cell(i % width, i / width);
        if index >= sums.len() {
            sums.resize(index + columns.max(1), ([0.0; 3], 0.0));
        }
        let (sum, count) = &mut sums[index];
        for (total, value) in sum.iter_mut().zip(pixel) {
            *total += value;
        }
        *count += 1.0;
    }
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (sum, count) = sums[cell(i % width, i / width)];
        *pixel = sum.map(|total| total / count);
    }
}

pub(super) fn mosaic(canvas: &mut Canvas, period: usize) {
    let columns = canvas.width.div_ceil(period);
    average_cells(canvas, columns, |x, y| (y / period) * columns + x / period);
}

pub(super) fn panes(canvas: &mut Canvas, period: usize, lead: f32) {
    let columns = canvas.width.div_ceil(period) + 1;
    let shift = move |y: usize| if (y / period) % 2 == 1 { period / 2 } else { 0 };
    average_cells(canvas, columns, |x, y| {
        (y / period) * columns + (x + shift(y)) / period
    });
    let bar = (period / 8).max(1);
    let width = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        if (x + shift(y)) % period < bar || y % period < bar {
            *pixel = pixel.map(|v| v * (1.0 - lead));
        }
    }
}

/// A wave of `period` pixels from 0 to 1, sampled at the centre of pixel `place`.
fn wave(place: usize, period: usize) -> f32 {
    let phase = ((place % period) as f32 + 0.5) / period as f32;
    0.5 - 0.5 * (TAU * phase).cos()
}

pub(super) fn halftone(canvas: &mut Canvas, screen: Screen, period: usize, steepness: f32) {
    let width = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        let ink =
            |threshold: f32| move |v: f32| ((v - threshold) * steepness + 0.5).clamp(0.0, 1.0);
        *pixel = match screen {
            Screen::Dots => pixel.map(ink(0.5 * (wave(x, period) + wave(y, period)))),
            Screen::Diagonals => pixel.map(ink(wave(x + y, period))),
            Screen::Rows => pixel.map(ink(wave(y, period))),
            Screen::Hatching => {
                // The second set of lines begins where the shade is below one half.
                let first = pixel.map(ink(0.9 * wave(x + y, period)));
                let back = period - 1 - y % period;
                let second = pixel.map(ink(0.5 * wave(x + back, period)));
                std::array::from_fn(|channel| first[channel] * second[channel])
            }
        };
    }
}

pub(super) fn texture(canvas: &mut Canvas, texture: Texture, period: usize, depth: f32) {
    let width = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        let (column, row) = (x % period, y % period);
        let shade = match texture {
            Texture::Scanlines => f32::from(u8::from(row >= period / 2)),
            Texture::Weave => {
                let over = ((x / period) + (y / period)).is_multiple_of(2);
                1.0 - if over {
                    wave(x, period)
                } else {
                    wave(y, period)
                }
            }
            Texture::Stitches => {
                let on = column == row || column + row + 1 == period;
                f32::from(u8::from(!on))
            }
        };
        *pixel = pixel.map(|v| v * (1.0 - depth * shade));
    }
}
