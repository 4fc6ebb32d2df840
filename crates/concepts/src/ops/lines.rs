//! Stages that draw lines. Slopes are multiplied by the image's scale, so that a line is equally strong in small and large
//! images.

use super::canvas::{Canvas, Plane};

/// Keeps a division by the shade itself finite.
const DARKEST: f32 = 1.0 / 255.0;

pub(super) fn dodge(canvas: &mut Canvas, radius: f32, pressure: f32) {
    let luma = canvas.luma();
    // The blur of the negative is the negative of the blur, so the divisor 1 - blur(1 - v) is blur(v).
    let blurred = luma.blur(radius);
    let shades = luma.pixels.iter().zip(&blurred.pixels).map(|(&[v], &[b])| {
        let v = v.max(DARKEST);
        (v / b.max(DARKEST)).min(1.0).powf(pressure.max(0.0))
    });
    canvas.set_grey(shades);
}

pub(super) fn xdog(canvas: &mut Canvas, radius: f32, edges: f32, threshold: f32, steepness: f32) {
    let luma = canvas.luma();
    let (fine, coarse) = (luma.blur(radius), luma.blur(1.6 * radius));
    let shades = fine.pixels.iter().zip(&coarse.pixels).map(|(&[f], &[c])| {
        let sharp = f + edges * (f - c);
        if sharp >= threshold {
            1.0
        } else {
            1.0 + (steepness * (sharp - threshold)).tanh()
        }
    });
    canvas.set_grey(shades);
}

fn edge_strength(canvas: &Canvas, radius: f32, gain: f32, scale: f32) -> Vec<f32> {
    let blurred: Plane = canvas.luma().blur(radius);
    blurred
        .gradient()
        .map(|(x, y)| (x.hypot(y) * gain * scale.max(1.0)).clamp(0.0, 1.0))
        .collect()
}

pub(super) fn edges(canvas: &mut Canvas, radius: f32, gain: f32, scale: f32) {
    let strength = edge_strength(canvas, radius, gain, scale);
    canvas.set_grey(strength.into_iter());
}

pub(super) fn colour_edges(canvas: &mut Canvas, radius: f32, gain: f32, scale: f32) {
    let strength = edge_strength(canvas, radius, gain, scale);
    let hues = canvas.blur(radius.max(scale));
    for ((pixel, hue), strength) in canvas.pixels.iter_mut().zip(hues.pixels).zip(strength) {
        let brightest = hue.iter().fold(DARKEST, |a, &b| a.max(b));
        // Raised to a power, so that the weaker channels of a dull colour vanish.
        *pixel = hue.map(|v| (v / brightest).powi(4) * strength);
    }
}

pub(super) fn outline(canvas: &mut Canvas, radius: f32, gain: f32, scale: f32) {
    let strength = edge_strength(canvas, radius, gain, scale);
    for (pixel, strength) in canvas.pixels.iter_mut().zip(strength) {
        *pixel = pixel.map(|v| v * (1.0 - strength));
    }
}

pub(super) fn emboss(canvas: &mut Canvas, radius: f32, gain: f32, scale: f32) {
    let blurred = canvas.luma().blur(radius);
    let shades: Vec<f32> = blurred
        .gradient()
        .map(|(x, y)| 0.5 + (x + y) * gain * scale.max(1.0))
        .collect();
    canvas.set_grey(shades.into_iter());
}
