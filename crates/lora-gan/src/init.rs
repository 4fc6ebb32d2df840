//! Seeded initial values, drawn on the host so that they do not depend on the device.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Draws `n` values from N(0, std²) by the Box–Muller transform.
pub fn normal(n: usize, std: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut out = Vec::with_capacity(n + 1);
    while out.len() < n {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        out.push((radius * cos) as f32 * std);
        out.push((radius * sin) as f32 * std);
    }
    out.truncate(n);
    out
}
