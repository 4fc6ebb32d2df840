//! Single steps from one timestep to the next.
//!
//! All take w^t `[B, b]` and the recovered ŵ⁰ `[B, b]`, so they work with any parameterisation. If there is
//! no timestep `to`, the step ends at ŵ⁰.

use burn::tensor::Tensor;

use crate::NoiseSchedule;

/// A deterministic DDIM step (η = 0): α' ŵ⁰ + σ' ε̂ with ε̂ = (w^t − α ŵ⁰)/σ.
pub(super) fn ddim_step(
    noisy: Tensor<2>,
    clean: Tensor<2>,
    t: usize,
    to: Option<usize>,
    schedule: &NoiseSchedule,
) -> Tensor<2> {
    let Some(to) = to else {
        return clean;
    };
    // α' ŵ⁰ + σ'/σ (w^t − α ŵ⁰)
    let ratio = schedule.sigma(to) / schedule.sigma(t);
    let keep = schedule.alpha(to) - ratio * schedule.alpha(t);
    clean.mul_scalar(keep) + noisy.mul_scalar(ratio)
}

/// A step of DDPM's ancestral sampling (Ho et al. 2020, Eq. 7): the mean of q(w^to | w^t, ŵ⁰) plus its
/// standard deviation times `noise` ε `[B, b]`.
pub(super) fn ancestral_step(
    noisy: Tensor<2>,
    clean: Tensor<2>,
    noise: Tensor<2>,
    t: usize,
    to: Option<usize>,
    schedule: &NoiseSchedule,
) -> Tensor<2> {
    let Some(to) = to else {
        return clean;
    };
    let (bar, bar_to) = (schedule.alpha_cumprod(t), schedule.alpha_cumprod(to));
    let alpha = bar / bar_to;
    let share = bar_to.sqrt() * (1.0 - alpha) / (1.0 - bar);
    let keep = alpha.sqrt() * (1.0 - bar_to) / (1.0 - bar);
    let variance = (1.0 - bar_to) / (1.0 - bar) * (1.0 - alpha);
    clean.mul_scalar(share) + noisy.mul_scalar(keep) + noise.mul_scalar(variance.sqrt())
}

/// A step of DPM-Solver++(2M), midpoint (Lu et al. 2022, algorithm 2), with the ŵ⁰ and the timestep of the
/// step `before`. If there is none, the step is of first order (DDIM).
pub(super) fn dpm_solver_step(
    noisy: Tensor<2>,
    clean: Tensor<2>,
    before: Option<(Tensor<2>, usize)>,
    t: usize,
    to: Option<usize>,
    schedule: &NoiseSchedule,
) -> Tensor<2> {
    let Some(to) = to else {
        return clean;
    };
    // λ = ln(α/σ), half the logarithm of the signal-to-noise ratio.
    let lambda = |t: usize| schedule.alpha(t).ln() - schedule.sigma(t).ln();
    let h = lambda(to) - lambda(t);
    let direction = match before {
        None => clean,
        Some((earlier, s)) => {
            // 1/(2r) with r = (λ_t − λ_s)/h; 0 if the step before started without any signal.
            let slope = h / (lambda(t) - lambda(s)) / 2.0;
            clean.clone().mul_scalar(1.0 + slope) - earlier.mul_scalar(slope)
        }
    };
    let grow = -schedule.alpha(to) * (-h).exp_m1();
    noisy.mul_scalar(schedule.sigma(to) / schedule.sigma(t)) + direction.mul_scalar(grow)
}
