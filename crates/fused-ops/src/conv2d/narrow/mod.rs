//! The products of a convolution whose small side has few channels, such as the head of a generator (64 to 3) or of a
//! discriminator (512 to 1).
//!
//! Gathering the large side for it would copy each value for every tap of the kernel, and then multiply the copy with a
//! few rows only. `down.rs` and `gradient.rs` leave the large side where it is.
//!
//! The thresholds agree with `times_of_both_ways` below. In one run on two cores, multiplying first took 14 to 92 % of the
//! usual time within them, 61 to 125 % with 32 channels, and 146 to 181 % with more. The narrow gradient took 13 to 86 %
//! of the usual time at a ratio of at least 4, and 69 to 109 % at 2.

mod down;
mod gradient;

use self::down::narrow_down;
use self::gradient::narrow_weight_gradient;
use super::finish::Finish;
use super::geometry::Geometry;
use super::products::{down, small_shares, weight_gradient};

/// The small side is narrow if the large side has at least this many channels for each of its own. See
/// `times_of_both_ways`.
const NARROW_RATIO: usize = 4;

/// Most channels of a small side whose products are moved: with more, the usual product has rows enough to pay for the
/// gathering. See `times_of_both_ways`.
const MOST_MOVED: usize = 16;

/// Whether the small side has few channels.
fn is_narrow(geometry: &Geometry) -> bool {
    geometry.small * NARROW_RATIO <= geometry.large
}

/// Whether to multiply before moving. A kernel of one pixel moves nothing, and with a larger stride most of the products
/// would be thrown away.
fn multiplies_first(geometry: &Geometry) -> bool {
    is_narrow(geometry)
        && geometry.small <= MOST_MOVED
        && geometry.stride == 1
        && geometry.area() > 1
}

/// The small side of the large side `x`, by the faster way.
pub(super) fn small_side(
    geometry: &Geometry,
    x: &[f32],
    weight: &[f32],
    finish: Finish,
) -> Vec<f32> {
    let channels = geometry.small;
    let mut y = vec![0.0; geometry.batch * channels * geometry.small_pixels()];
    if multiplies_first(geometry) {
        narrow_down(geometry, x, weight, finish, &mut y);
    } else {
        let outputs = small_shares(geometry).split(&mut y, channels, geometry.small_size);
        down(geometry, x, weight, finish, outputs);
    }
    y
}

/// The gradient of the kernel `[small, large, kh, kw]` by the faster way.
pub(super) fn kernel_gradient(geometry: &Geometry, x: &[f32], y: &[f32]) -> Vec<f32> {
    if is_narrow(geometry) {
        narrow_weight_gradient(geometry, x, y)
    } else {
        weight_gradient(geometry, x, y)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Median milliseconds of `work`.
    fn milliseconds(work: impl Fn() -> Vec<f32>) -> f64 {
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                assert!(!work().is_empty());
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }

    /// Times both ways around the thresholds, on images of 64 × 64:
    ///
    /// ```sh
    /// cargo test --release -p fused-ops times_of_both_ways -- --ignored --nocapture
    /// ```
    #[test]
    #[ignore = "a measurement, not a test"]
    fn times_of_both_ways() {
        for (large, kernel) in [(64, 3), (64, 7), (256, 3), (256, 4)] {
            for ratio in [64, 16, 8, 4, 2] {
                let small = large / ratio;
                let input = [1, large, 64, 64];
                let weights = [small, large, kernel, kernel];
                let geometry = Geometry::down(input, weights, 1, kernel / 2).unwrap();
                let values = |n: usize| (0..n).map(|i| (i % 17) as f32 - 8.0).collect::<Vec<_>>();
                let x = values(input.iter().product());
                let weight = values(weights.iter().product());
                let y = values(small * geometry.small_pixels());
                let pixels = small * geometry.small_pixels();
                let gathering = milliseconds(|| {
                    let mut y = vec![0.0; pixels];
                    let outputs = small_shares(&geometry).split(&mut y, small, geometry.small_size);
                    down(&geometry, &x, &weight, Finish::NOTHING, outputs);
                    y
                });
                let moving = milliseconds(|| {
                    let mut y = vec![0.0; pixels];
                    narrow_down(&geometry, &x, &weight, Finish::NOTHING, &mut y);
                    y
                });
                let usual = milliseconds(|| weight_gradient(&geometry, &x, &y));
                let narrow = milliseconds(|| narrow_weight_gradient(&geometry, &x, &y));
                println!(
                    "{large} to {small}, {kernel}×{kernel}: forward {gathering:.2} ms, multiplying first {moving:.2} ms; \
                     gradient {usual:.2} ms, narrow {narrow:.2} ms"
                );
            }
        }
    }
}
