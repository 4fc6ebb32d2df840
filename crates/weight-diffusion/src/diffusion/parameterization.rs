//! What the network's output stands for.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::NoiseSchedule;

/// What the network's output F stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameterization {
    /// ε̂ = F, as in the paper (diffusers' `epsilon`).
    Epsilon,
    /// ŵ⁰ = F (diffusers' `sample`). The loss is that of ε weighted by σ²/α², the inverse of the
    /// signal-to-noise ratio: the noise end counts as much as the clean one, and the recovered weights are
    /// the output itself.
    Sample,
    /// F = v̂ of v = α_t ε − σ_t w⁰ (Salimans and Ho 2022; diffusers' `v_prediction`), so that ε̂ = σ_t w^t +
    /// α_t F and ŵ⁰ = α_t w^t − σ_t F, without a division by α_t.
    Velocity,
    /// [`Parameterization::Velocity`] with a scaled input.
    ///
    /// The recovered weights ŵ⁰ = α_t w^t − σ_t F lack the division by α_t that multiplies every error of
    /// ε̂ by σ_t/α_t (157 at DDPM's noise end). Where no information is left in w^t, ε̂ = w^t is already
    /// nearly right and F carries what the text says.
    ///
    /// Instead of w^t the network sees α_t w^t, the best linear estimate of w⁰ for weights of unit variance
    /// (compare the input scaling of Karras et al. 2022), so near the noise end it does not have to learn
    /// to ignore pure noise first.
    Skip,
}

impl Parameterization {
    /// ŵ⁰ `[B, b]` of w^t `[B, b]` and the network's output F `[B, b]`, all at step `t`.
    pub(crate) fn recover(
        self,
        noisy: Tensor<2>,
        output: Tensor<2>,
        t: usize,
        schedule: &NoiseSchedule,
    ) -> Tensor<2> {
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        match self {
            Self::Epsilon => (noisy - output.mul_scalar(sigma)).div_scalar(alpha),
            Self::Sample => output,
            Self::Velocity | Self::Skip => noisy.mul_scalar(alpha) - output.mul_scalar(sigma),
        }
    }

    /// ε̂ `[B, b]` of w^t `[B, b]` and the network's output F `[B, b]`; `alpha` and `sigma` are α_t and
    /// σ_t of each row, `[B, 1]`.
    pub(crate) fn noise(
        self,
        noisy: Tensor<2>,
        output: Tensor<2>,
        shares: impl FnOnce() -> (Tensor<2>, Tensor<2>),
    ) -> Tensor<2> {
        match self {
            Self::Epsilon => output,
            Self::Sample => {
                let (alpha, sigma) = shares();
                (noisy - output * alpha) / sigma
            }
            Self::Velocity | Self::Skip => {
                let (alpha, sigma) = shares();
                noisy * sigma + output * alpha
            }
        }
    }

    /// Writes the value that F should have for clean weights w⁰ and noise ε at step `t` to `target`.
    pub(crate) fn target(
        self,
        clean: &[f32],
        noise: &[f32],
        t: usize,
        schedule: &NoiseSchedule,
        target: &mut [f32],
    ) {
        match self {
            Self::Epsilon => target.copy_from_slice(noise),
            Self::Sample => target.copy_from_slice(clean),
            Self::Velocity | Self::Skip => {
                let (alpha, sigma) = (schedule.alpha(t) as f32, schedule.sigma(t) as f32);
                for ((v, e), w) in target.iter_mut().zip(noise).zip(clean) {
                    *v = alpha * e - sigma * w;
                }
            }
        }
    }

    /// Derivative of ŵ⁰ with respect to F at step `t`.
    pub(crate) fn slope(self, t: usize, schedule: &NoiseSchedule) -> f64 {
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        match self {
            Self::Epsilon => -sigma / alpha,
            Self::Sample => 1.0,
            Self::Velocity | Self::Skip => -sigma,
        }
    }

    /// Weight of a row's squared error under min-SNR-γ (Hang et al. 2023), for a signal-to-noise ratio
    /// `snr` = α²/σ² ([`NoiseSchedule::snr`]): min(snr, γ) for the error of ŵ⁰, which is min(snr, γ)/snr
    /// for that of ε and min(snr, γ)/(snr + 1) for that of v, as in the training scripts of diffusers.
    pub(crate) fn min_snr_weight(self, snr: f64, gamma: f64) -> f64 {
        let least = snr.min(gamma);
        match self {
            // 1 wherever γ does not bind, also for an SNR of 0.
            Self::Epsilon if least == snr => 1.0,
            Self::Epsilon => least / snr,
            Self::Sample => least,
            Self::Velocity | Self::Skip => least / (snr + 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    const ALL: [Parameterization; 4] = [
        Parameterization::Epsilon,
        Parameterization::Sample,
        Parameterization::Velocity,
        Parameterization::Skip,
    ];

    #[test]
    fn the_right_output_gives_the_weights_and_the_noise_back() {
        let schedule = NoiseSchedule::ddpm();
        let (clean, noise) = ([0.5f32, -1.0, 2.0], [1.0f32, 0.25, -0.5]);
        let row = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [1, values.len()]);
            Tensor::<2>::from_data(data, &Device::flex())
        };
        for what in ALL {
            for t in [0, 10, 500, 999] {
                let mut noisy = noise;
                schedule.add_noise(&clean, &mut noisy, t);
                let mut target = [0.0; 3];
                what.target(&clean, &noise, t, &schedule, &mut target);
                let found = what.recover(row(&noisy), row(&target), t, &schedule);
                let share = |value: f64| row(&[value as f32]);
                let shares = || (share(schedule.alpha(t)), share(schedule.sigma(t)));
                let epsilon = what.noise(row(&noisy), row(&target), shares);
                let near = |found: Tensor<2>, expected: &[f32], tolerance: f32| {
                    let found = found.try_into_vec_as::<f32>().unwrap();
                    for (f, e) in found.iter().zip(expected) {
                        assert!((f - e).abs() < tolerance, "{what:?} {t}: {f} {e}");
                    }
                };
                // Rounding is multiplied by σ/α, or by α/σ.
                let (alpha, sigma) = (schedule.alpha(t) as f32, schedule.sigma(t) as f32);
                near(found, &clean, 1e-6 * (1.0 + sigma / alpha));
                near(epsilon, &noise, 1e-6 * (1.0 + alpha / sigma));
                // The slope is that of `recover`.
                let ahead: Vec<f32> = target.iter().map(|v| v + 1.0).collect();
                let moved = what.recover(row(&noisy), row(&ahead), t, &schedule)
                    - what.recover(row(&noisy), row(&target), t, &schedule);
                let slope = what.slope(t, &schedule) as f32;
                near(moved, &[slope; 3], 1e-5 * (1.0 + slope.abs()));
            }
        }
    }

    #[test]
    fn weights_are_bounded_where_nothing_or_everything_is_signal() {
        for what in ALL {
            assert!(what.min_snr_weight(0.0, 5.0).is_finite(), "{what:?}");
            assert!(what.min_snr_weight(1e12, 5.0) <= 5.0, "{what:?}");
        }
        assert_eq!(Parameterization::Epsilon.min_snr_weight(0.0, 5.0), 1.0);
        assert_eq!(Parameterization::Velocity.min_snr_weight(0.0, 5.0), 0.0);
    }

    #[test]
    fn targets_are_what_diffusers_trains_on() {
        let fixture = include_str!("../../tests/fixtures/diffusers.json");
        let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
        let mut cases = 0;
        for case in fixture["predictions"].as_array().unwrap() {
            let values =
                |name: &str| -> Vec<f32> { serde_json::from_value(case[name].clone()).unwrap() };
            let schedule = match case["schedule"].as_str().unwrap() {
                "linear" => NoiseSchedule::ddpm(),
                "cosine" => NoiseSchedule::cosine(),
                _ => continue,
            };
            let t = case["t"].as_u64().unwrap() as usize;
            let (clean, noise) = (values("clean"), values("noise"));
            for what in ALL {
                let expected = match what {
                    Parameterization::Epsilon => noise.clone(),
                    Parameterization::Sample => clean.clone(),
                    Parameterization::Velocity | Parameterization::Skip => values("velocity"),
                };
                let mut target = vec![9.0; clean.len()];
                what.target(&clean, &noise, t, &schedule, &mut target);
                for (f, e) in target.iter().zip(&expected) {
                    assert!((f - e).abs() <= 1e-5, "{what:?} {t}: {f} {e}");
                }
                cases += 1;
            }
        }
        assert!(cases >= 20, "{cases}");
    }
}
