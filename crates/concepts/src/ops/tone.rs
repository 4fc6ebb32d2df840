//! Stages that treat every pixel by itself.

use super::canvas::{Canvas, colour, luma};

pub(super) const SEPIA: [[f32; 3]; 3] = [
    [0.393, 0.769, 0.189],
    [0.349, 0.686, 0.168],
    [0.272, 0.534, 0.131],
];

fn lerp(from: f32, to: f32, amount: f32) -> f32 {
    from + (to - from) * amount
}

pub(super) fn saturate(canvas: &mut Canvas, amount: f32) {
    for pixel in &mut canvas.pixels {
        let grey = luma(*pixel);
        *pixel = pixel.map(|v| lerp(grey, v, amount).clamp(0.0, 1.0));
    }
}

pub(super) fn gamma(canvas: &mut Canvas, gamma: [f32; 3]) {
    for pixel in &mut canvas.pixels {
        for (value, exponent) in pixel.iter_mut().zip(gamma) {
            *value = value.powf(exponent.max(0.0));
        }
    }
}

pub(super) fn mix(canvas: &mut Canvas, rows: [[f32; 3]; 3]) {
    for pixel in &mut canvas.pixels {
        let from = *pixel;
        *pixel = rows.map(|row| row.iter().zip(from).map(|(weight, v)| weight * v).sum());
    }
}

pub(super) fn multiply(canvas: &mut Canvas, by: [u8; 3]) {
    let by = colour(by);
    for pixel in &mut canvas.pixels {
        for (value, factor) in pixel.iter_mut().zip(by) {
            *value *= factor;
        }
    }
}

pub(super) fn blend(canvas: &mut Canvas, with: [u8; 3], amount: f32) {
    let with = colour(with);
    for pixel in &mut canvas.pixels {
        for (value, to) in pixel.iter_mut().zip(with) {
            *value = lerp(*value, to, amount);
        }
    }
}

pub(super) fn gradient_map(canvas: &mut Canvas, stops: &[[u8; 3]], amount: f32) {
    let stops: Vec<[f32; 3]> = stops.iter().map(|&stop| colour(stop)).collect();
    let Some(last) = stops.len().checked_sub(1) else {
        return;
    };
    for pixel in &mut canvas.pixels {
        let place = luma(*pixel).clamp(0.0, 1.0) * last as f32;
        let lower = (place as usize).min(last);
        let upper = (lower + 1).min(last);
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mapped = lerp(
                stops[lower][channel],
                stops[upper][channel],
                place - lower as f32,
            );
            *value = lerp(*value, mapped, amount);
        }
    }
}

pub(super) fn posterise(canvas: &mut Canvas, levels: u32) {
    let steps = (levels.max(2) - 1) as f32;
    canvas.each(|v| (v * steps).round() / steps);
}
