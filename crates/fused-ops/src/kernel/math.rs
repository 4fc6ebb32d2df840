//! Functions of single values in the form that compilers turn into vector instructions.

use pulp::Arch;

/// Runs `loops` compiled for the widest vectors that the processor has.
///
/// The closure and everything that it calls must be `#[inline(always)]`: only inlined code is compiled for those vectors.
/// Without that the same loops take four times the CPU time.
pub(crate) fn vectorized<R>(loops: impl FnOnce() -> R) -> R {
    struct Loops<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Loops<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            self.0()
        }
    }
    Arch::new().dispatch(Loops(loops))
}

/// eˣ to 2 units in the last place; 0 below −87.3, no larger than e⁸⁸.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to the nearest integer and leaves it in the low bits (Cody and Waite 1980).
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let tiny = x < -87.3;
    let clamped = if tiny { -87.3 } else { x };
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, clamped);
    let r = n.mul_add(2.121_944_4e-4, r);
    // Cephes' expf.
    let p = 1.987_569_1e-4f32;
    let p = p.mul_add(r, 1.398_199_9e-3);
    let p = p.mul_add(r, 8.333_452e-3);
    let p = p.mul_add(r, 4.166_579_6e-2);
    let p = p.mul_add(r, 1.666_666_5e-1);
    let p = p.mul_add(r, 0.5);
    let value = p.mul_add(r * r, r + 1.0);
    let power = (shifted.to_bits().wrapping_sub(ROUND.to_bits()) << 23).wrapping_add(0x3f80_0000);
    let value = value * f32::from_bits(power);
    if tiny { 0.0 } else { value }
}

/// 1/(1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The error function, off by at most 5e-7 (the rational approximation that Eigen and XLA use).
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = -2.726_142_3e-10f32;
    let p = p.mul_add(s, 2.770_681_4e-8);
    let p = p.mul_add(s, -2.101_024e-6);
    let p = p.mul_add(s, -5.692_506_4e-5);
    let p = p.mul_add(s, -7.349_906_3e-4);
    let p = p.mul_add(s, -2.954_6e-3);
    let p = p.mul_add(s, -1.609_603_3e-2);
    let q = -1.456_607_2e-5f32;
    let q = q.mul_add(s, -2.133_740_6e-4);
    let q = q.mul_add(s, -1.682_827e-3);
    let q = q.mul_add(s, -7.373_329_2e-3);
    let q = q.mul_add(s, -1.426_473_9e-2);
    x * p / q
}

/// x·Φ(x), the exact one and not the tanh approximation.
#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// Its derivative, Φ(x) + x·φ(x).
#[inline(always)]
pub(crate) fn gelu_slope(x: f32) -> f32 {
    const INVERSE_ROOT_TAU: f32 = 0.398_942_3;
    let cdf = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
    cdf + x * INVERSE_ROOT_TAU * exp(-0.5 * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_standard_librarys() {
        for i in -87_000..88_000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "{x}: {error:e}");
        }
        assert_eq!(exp(-1e9), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(1e9).is_finite());
    }

    /// The integral by Simpson's rule, independent of any rational approximation.
    fn exact_erf(x: f64) -> f64 {
        let n = 2_000;
        let h = x / f64::from(n);
        let f = |t: f64| (-t * t).exp();
        let inner: f64 = (1..n)
            .map(|i| if i % 2 == 1 { 4.0 } else { 2.0 } * f(f64::from(i) * h))
            .sum();
        (f(0.0) + inner + f(x)) * h / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn gelu_and_its_slope_are_the_exact_ones() {
        for i in -600..600 {
            let x = f64::from(i) * 1e-2;
            let cdf = 0.5 * (1.0 + exact_erf(x / 2f64.sqrt()));
            let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
            let error = (f64::from(gelu(x as f32)) - x * cdf).abs();
            assert!(error < 1e-6, "{x}: {error:e}");
            let error = (f64::from(gelu_slope(x as f32)) - cdf - x * density).abs();
            assert!(error < 1e-6, "{x}: {error:e}");
        }
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_holds_at_the_ends() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!(sigmoid(100.0), 1.0);
        assert!(sigmoid(-100.0) < 1e-37);
    }
}
