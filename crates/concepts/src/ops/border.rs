//! Stages that depend on the distance from the centre or from the border.

use super::canvas::{Canvas, colour};

pub(super) fn vignette(canvas: &mut Canvas, amount: f32) {
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let columns = canvas.width;
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        // From -1 to 1 between the centres of the outermost pixels' outer edges.
        let x = (2.0 * (i % columns) as f32 + 1.0) / width - 1.0;
        let y = (2.0 * (i / columns) as f32 + 1.0) / height - 1.0;
        let distance = (x * x + y * y) / 2.0;
        *pixel = pixel.map(|v| v * (1.0 - amount.clamp(0.0, 1.0) * distance));
    }
}

pub(super) fn frame(canvas: &mut Canvas, width: usize, with: [u8; 3]) {
    let with = colour(with);
    let (columns, rows) = (canvas.width, canvas.height);
    for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (i % columns, i / columns);
        if x.min(columns - 1 - x).min(y).min(rows - 1 - y) < width {
            *pixel = with;
        }
    }
}
