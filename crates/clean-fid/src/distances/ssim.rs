//! Structural similarity of one channel, in double precision on the host: the variances are small differences of
//! large numbers, which 32-bit floats on a device would not resolve to 1e-5.

/// Side of the Gaussian window.
pub(crate) const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Mean SSIM of two planes with rows of `width`, over the positions at which the window fits.
pub(crate) fn ssim_plane(a: &[f64], b: &[f64], width: usize) -> f64 {
    let window = gaussian();
    let blur = |values: Vec<f64>| blur_valid(&values, width, &window);
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<_>>();
    let mean_a = blur(a.to_vec());
    let mean_b = blur(b.to_vec());
    let square_a = blur(product(a, a));
    let square_b = blur(product(b, b));
    let cross = blur(product(a, b));
    let sum: f64 = (0..mean_a.len())
        .map(|i| {
            let (ua, ub) = (mean_a[i], mean_b[i]);
            let (va, vb) = (square_a[i] - ua * ua, square_b[i] - ub * ub);
            let covariance = cross[i] - ua * ub;
            ((2.0 * ua * ub + C1) * (2.0 * covariance + C2))
                / ((ua * ua + ub * ub + C1) * (va + vb + C2))
        })
        .sum();
    sum / mean_a.len() as f64
}

fn gaussian() -> [f64; WINDOW] {
    let radius = (WINDOW / 2) as f64;
    let mut window = [0.0; WINDOW];
    for (i, weight) in window.iter_mut().enumerate() {
        let x = i as f64 - radius;
        *weight = (-0.5 * x * x / (SIGMA * SIGMA)).exp();
    }
    let sum: f64 = window.iter().sum();
    window.map(|w| w / sum)
}

/// Separable filter without padding: the result is `WINDOW - 1` smaller on both axes.
fn blur_valid(values: &[f64], width: usize, window: &[f64; WINDOW]) -> Vec<f64> {
    let inner = width - WINDOW + 1;
    let mut across = Vec::with_capacity(values.len() / width * inner);
    for row in values.chunks_exact(width) {
        across.extend(
            row.windows(WINDOW)
                .map(|part| part.iter().zip(window).map(|(v, w)| v * w).sum::<f64>()),
        );
    }
    let height = across.len() / inner - WINDOW + 1;
    let mut out = vec![0.0; height * inner];
    for (y, row) in out.chunks_exact_mut(inner).enumerate() {
        for (k, weight) in window.iter().enumerate() {
            let source = &across[(y + k) * inner..(y + k + 1) * inner];
            for (value, v) in row.iter_mut().zip(source) {
                *value += weight * v;
            }
        }
    }
    out
}
