//! Stages that spread colour over surfaces.

use super::canvas::{Canvas, luma};

pub(super) fn sharpen(canvas: &mut Canvas, radius: f32, amount: f32) {
    let blurred = canvas.blur(radius);
    for (pixel, soft) in canvas.pixels.iter_mut().zip(blurred.pixels) {
        for (value, soft) in pixel.iter_mut().zip(soft) {
            *value += amount * (*value - soft);
        }
    }
}

pub(super) fn glow(canvas: &mut Canvas, radius: f32, amount: f32) {
    let blurred = canvas.blur(radius);
    for (pixel, light) in canvas.pixels.iter_mut().zip(blurred.pixels) {
        for (value, light) in pixel.iter_mut().zip(light) {
            *value = 1.0 - (1.0 - *value) * (1.0 - (light * amount).clamp(0.0, 1.0));
        }
    }
}

/// Sums over all pixels above and to the left: red, green, blue, luma and luma squared.
type Sums = [f64; 5];

/// A summed-area table, which gives the mean over a rectangle in constant time.
struct SummedArea {
    stride: usize,
    table: Vec<Sums>,
}

impl SummedArea {
    fn new(canvas: &Canvas) -> Self {
        let (width, height) = (canvas.width, canvas.height);
        let stride = width + 1;
        let mut table: Vec<Sums> = vec![[0.0; 5]; stride * (height + 1)];
        for y in 0..height {
            let mut row: Sums = [0.0; 5];
            for x in 0..width {
                let pixel = canvas.pixels[y * width + x];
                let shade = f64::from(luma(pixel));
                let [red, green, blue] = pixel.map(f64::from);
                for (sum, value) in row.iter_mut().zip([red, green, blue, shade, shade * shade]) {
                    *sum += value;
                }
                let above = table[y * stride + x + 1];
                for (channel, sum) in table[(y + 1) * stride + x + 1].iter_mut().enumerate() {
                    *sum = above[channel] + row[channel];
                }
            }
        }
        Self { stride, table }
    }

    /// Mean colour and variance of the luma over [x0, x1) x [y0, y1).
    fn square(&self, x0: usize, x1: usize, y0: usize, y1: usize) -> ([f32; 3], f64) {
        let area = ((x1 - x0) * (y1 - y0)) as f64;
        let corner = |x: usize, y: usize| &self.table[y * self.stride + x];
        let mean = |channel: usize| {
            (corner(x1, y1)[channel] - corner(x0, y1)[channel] - corner(x1, y0)[channel]
                + corner(x0, y0)[channel])
                / area
        };
        let colour = [mean(0), mean(1), mean(2)].map(|v| v as f32);
        (colour, mean(4) - mean(3) * mean(3))
    }
}

pub(super) fn kuwahara(canvas: &Canvas, radius: f32) -> Canvas {
    let radius = radius.round() as usize;
    let (width, height) = (canvas.width, canvas.height);
    let sums = SummedArea::new(canvas);
    let mut painted = canvas.clone();
    for y in 0..height {
        for x in 0..width {
            let (left, right) = (x.saturating_sub(radius), (x + radius + 1).min(width));
            let (top, bottom) = (y.saturating_sub(radius), (y + radius + 1).min(height));
            let mut calmest = sums.square(left, x + 1, top, y + 1);
            for (x0, x1, y0, y1) in [
                (x, right, top, y + 1),
                (left, x + 1, y, bottom),
                (x, right, y, bottom),
            ] {
                let candidate = sums.square(x0, x1, y0, y1);
                if candidate.1 < calmest.1 {
                    calmest = candidate;
                }
            }
            painted.pixels[y * width + x] = calmest.0;
        }
    }
    painted
}
