//! Noise schedules: α_t and σ_t of w^t = α_t w⁰ + σ_t ε.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Largest number of steps; a damaged file cannot make anyone allocate more.
pub(super) const MAX_STEPS: usize = 1 << 20;

/// How β_t grows over the T steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum BetaSchedule {
    /// β linear from `start` to `end` (DDPM, Ho et al. 2020: 1e-4 to 2e-2 over 1,000 steps).
    Linear {
        /// β of the first step.
        start: f64,
        /// β of the last step.
        end: f64,
    },
    /// √β linear (latent diffusion's "scaled linear"; Stable Diffusion: 8.5e-4 to 1.2e-2).
    ScaledLinear {
        /// β of the first step.
        start: f64,
        /// β of the last step.
        end: f64,
    },
    /// ᾱ(t) = cos²((t/T + 0.008)/1.008 · π/2), β capped at 0.999 (Nichol and Dhariwal 2021;
    /// `squaredcos_cap_v2` in diffusers).
    Cosine,
    /// β = start + (end − start)·sigmoid(x), x linear in −6..6 (GeoDiff; `sigmoid` in diffusers).
    Sigmoid {
        /// Lower asymptote.
        start: f64,
        /// Upper asymptote.
        end: f64,
    },
}

/// A variance-preserving schedule: α_t² + σ_t² = 1 for t in 0..T, noise growing with t.
///
/// t = 0 is the first, nearly clean step and t = T − 1 the noise end, as in diffusers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ScheduleSpec", into = "ScheduleSpec")]
pub struct NoiseSchedule {
    spec: ScheduleSpec,
    alphas_cumprod: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleSpec {
    betas: BetaSchedule,
    steps: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    zero_terminal_snr: bool,
}

impl TryFrom<ScheduleSpec> for NoiseSchedule {
    type Error = Error;

    fn try_from(spec: ScheduleSpec) -> Result<Self, Error> {
        let schedule = Self::new(spec.betas, spec.steps)?;
        Ok(if spec.zero_terminal_snr {
            schedule.with_zero_terminal_snr()
        } else {
            schedule
        })
    }
}

impl From<NoiseSchedule> for ScheduleSpec {
    fn from(schedule: NoiseSchedule) -> Self {
        schedule.spec
    }
}

impl NoiseSchedule {
    /// A schedule of `steps` steps.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if there are no steps or more than 2²⁰, or if a β lies outside (0, 1).
    pub fn new(betas: BetaSchedule, steps: usize) -> Result<Self, Error> {
        if !(1..=MAX_STEPS).contains(&steps) {
            let requirement = format!("in 1..={MAX_STEPS}");
            return Err(Error::config("schedule.steps", steps, requirement));
        }
        if let BetaSchedule::Linear { start, end }
        | BetaSchedule::ScaledLinear { start, end }
        | BetaSchedule::Sigmoid { start, end } = betas
        {
            let inside = |beta: f64| beta > 0.0 && beta < 1.0;
            if !inside(start) || !inside(end) {
                let value = format!("{start} to {end}");
                return Err(Error::config("schedule.betas", value, "inside (0, 1)"));
            }
        }
        Ok(Self::of(betas, steps))
    }

    fn of(betas: BetaSchedule, steps: usize) -> Self {
        let mut product = 1.0;
        let alphas_cumprod = (0..steps)
            .map(|t| {
                product *= 1.0 - beta(betas, t, steps);
                product
            })
            .collect();
        Self {
            spec: ScheduleSpec {
                betas,
                steps,
                zero_terminal_snr: false,
            },
            alphas_cumprod,
        }
    }

    /// The same schedule shifted and scaled so that no signal is left at T − 1 (Lin et al. 2024,
    /// algorithm 1; diffusers' `rescale_betas_zero_snr`). As α is 0 there, ε-prediction cannot recover
    /// anything at T − 1, and [`UNet1dConfig`](crate::UNet1dConfig) requires another parameterisation.
    ///
    /// ```
    /// use weight_diffusion::NoiseSchedule;
    ///
    /// let schedule = NoiseSchedule::ddpm().with_zero_terminal_snr();
    /// assert_eq!((schedule.alpha(999), schedule.sigma(999)), (0.0, 1.0));
    /// ```
    #[must_use]
    pub fn with_zero_terminal_snr(mut self) -> Self {
        if self.spec.zero_terminal_snr {
            return self;
        }
        let first = self.alphas_cumprod[0].sqrt();
        let last = self.alphas_cumprod[self.steps() - 1].sqrt();
        // A single step has no start to keep.
        let scale = if first > last {
            first / (first - last)
        } else {
            1.0
        };
        for bar in &mut self.alphas_cumprod {
            *bar = ((bar.sqrt() - last) * scale).powi(2);
        }
        self.spec.zero_terminal_snr = true;
        self
    }

    /// Whether no signal is left at T − 1, by [`NoiseSchedule::with_zero_terminal_snr`] or because a
    /// configuration says `"zero_terminal_snr": true`.
    pub fn has_zero_terminal_snr(&self) -> bool {
        self.spec.zero_terminal_snr
    }

    /// The schedule of DDPM: β linear from 1e-4 to 2e-2 over 1,000 steps.
    pub fn ddpm() -> Self {
        let (start, end) = (1e-4, 2e-2);
        Self::of(BetaSchedule::Linear { start, end }, 1000)
    }

    /// The cosine schedule over 1,000 steps.
    pub fn cosine() -> Self {
        Self::of(BetaSchedule::Cosine, 1000)
    }

    /// T, the number of steps.
    pub fn steps(&self) -> usize {
        self.spec.steps
    }

    /// ᾱ_t = ∏ (1 − β_s), s ≤ t. A t past the noise end counts as T − 1.
    pub fn alpha_cumprod(&self, t: usize) -> f64 {
        self.alphas_cumprod[t.min(self.steps() - 1)]
    }

    /// α_t = √ᾱ_t, the share of the signal.
    pub fn alpha(&self, t: usize) -> f64 {
        self.alpha_cumprod(t).sqrt()
    }

    /// σ_t = √(1 − ᾱ_t), the share of the noise.
    pub fn sigma(&self, t: usize) -> f64 {
        (1.0 - self.alpha_cumprod(t)).sqrt()
    }

    /// Signal-to-noise ratio α_t² / σ_t².
    pub fn snr(&self, t: usize) -> f64 {
        let signal = self.alpha_cumprod(t);
        signal / (1.0 - signal)
    }

    /// Replaces ε in `noise` by w^t = α_t w⁰ + σ_t ε. Both slices have the same length.
    pub(crate) fn add_noise(&self, clean: &[f32], noise: &mut [f32], t: usize) {
        debug_assert_eq!(clean.len(), noise.len());
        let (alpha, sigma) = (self.alpha(t) as f32, self.sigma(t) as f32);
        for (e, w) in noise.iter_mut().zip(clean) {
            *e = alpha * w + sigma * *e;
        }
    }
}

fn beta(betas: BetaSchedule, t: usize, steps: usize) -> f64 {
    // numpy's linspace: the last value is `end` itself, and a single step is `start`.
    let at = |start: f64, end: f64| {
        if steps == 1 {
            start
        } else {
            start + (end - start) * t as f64 / (steps - 1) as f64
        }
    };
    match betas {
        BetaSchedule::Linear { start, end } => at(start, end),
        BetaSchedule::ScaledLinear { start, end } => at(start.sqrt(), end.sqrt()).powi(2),
        BetaSchedule::Sigmoid { start, end } => {
            let share = 1.0 / (1.0 + (-at(-6.0, 6.0)).exp());
            start + (end - start) * share
        }
        BetaSchedule::Cosine => {
            let bar = |u: f64| {
                ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2)
                    .cos()
                    .powi(2)
            };
            let total = steps as f64;
            (1.0 - bar((t + 1) as f64 / total) / bar(t as f64 / total)).min(0.999)
        }
    }
}
