//! Settings of a training.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The timesteps from which training samples are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum TimestepSampling {
    /// Uniform over the schedule, as in the paper (Eq. 1, t ~ U).
    Uniform,
    /// A share of the samples comes uniformly from the noise end, and the rest from the whole schedule.
    /// Inference takes its one step at the noise end, so that is where the network has to be right.
    NoiseEnd {
        /// Share of the samples, from 0 to 1.
        share: f64,
        /// Start of the noise end as a fraction of the schedule: t ≥ from·T.
        from: f64,
    },
}

/// Settings of a [`Trainer`](super::Trainer).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Total number of optimizer steps; the cosine of the learning rate ends here.
    pub steps: u64,
    /// Number of rows (w_n, t, ε) in a batch.
    pub batch_size: usize,
    /// Number of rows that go through the network at once. The gradients of the parts of a batch are
    /// summed, so this changes only speed and memory. On CPUs, a part whose activations stay in the cache
    /// is up to twice as fast per row.
    pub micro_batch: usize,
    /// Number of draws of (t, ε) for each block; divides `batch_size`. 1 is the usual choice. More lowers
    /// the variance of the gradient per block, but a step sees fewer different blocks.
    pub noises_per_block: usize,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Number of steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Learning rate at `steps` as a share of the peak, reached along a cosine. 1 keeps it constant, as in
    /// the paper.
    pub final_share: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Largest L2 norm of the gradient over all weights together; none to disable clipping.
    pub clip_norm: Option<f64>,
    /// Decay of the exponential moving average of the weights. At step s it is at most (1 + s)/(10 + s), so
    /// that the first steps fade quickly.
    pub ema_decay: f64,
    /// Share of rows that are trained without their text, from 0 to 1.
    pub text_dropout: f64,
    /// The timesteps to train on.
    pub timesteps: TimestepSampling,
    /// Seed of the batches, timesteps, noise and text dropout.
    pub seed: u64,
    /// γ of min-SNR-γ weighting (Hang et al. 2023, who use 5); none for equal weights. With s the
    /// signal-to-noise ratio α²/σ² of a row, the weight of its squared error is min(s, γ) for predictions of
    /// w⁰, min(s, γ)/s for ε and min(s, γ)/(s + 1) for v. Except for ε-prediction this takes weight from the
    /// noise end, where s is close to 0: useful for sampling in several steps, but not for the one step of
    /// the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snr_gamma: Option<f64>,
    /// When to stop before `steps`, by the loss on held-out concepts; none for never. Takes effect through
    /// [`BlockTrainer::watch`](crate::BlockTrainer::watch).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStop>,
}

/// When training stops early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Number of steps from one evaluation to the next.
    pub every: u64,
    /// Number of evaluations in a row without a new lowest loss after which training ends.
    pub patience: u32,
    /// Number of rows (w_n, t, ε) in an evaluation, the same ones each time.
    pub rows: usize,
}

impl Default for EarlyStop {
    /// Every 50 steps, patience 5, 512 rows.
    fn default() -> Self {
        Self {
            every: 50,
            patience: 5,
            rows: 512,
        }
    }
}

impl TrainConfig {
    /// The paper's settings: AdamW, constant learning rate 1e-5, weight decay 0.01, batch size 512, uniform
    /// timesteps. The paper does not state the number of steps, the moving average and its decay (0.9999),
    /// clipping at 1 or the 1,000 steps of warm-up; those are choices of this crate.
    pub fn paper() -> Self {
        Self {
            steps: 500_000,
            batch_size: 512,
            micro_batch: 512,
            noises_per_block: 1,
            learning_rate: 1e-5,
            warmup_steps: 1_000,
            final_share: 1.0,
            weight_decay: 0.01,
            clip_norm: Some(1.0),
            ema_decay: 0.9999,
            text_dropout: 0.0,
            timesteps: TimestepSampling::Uniform,
            seed: 0,
            min_snr_gamma: None,
            early_stop: None,
        }
    }

    /// Settings for [`UNet1dConfig::compact`](crate::UNet1dConfig::compact) on a few CPU cores: a higher
    /// learning rate with a cosine, and most samples from the noise end.
    pub fn compact() -> Self {
        Self {
            steps: 2_000,
            batch_size: 128,
            micro_batch: 128,
            noises_per_block: 1,
            learning_rate: 1e-3,
            warmup_steps: 50,
            final_share: 0.02,
            weight_decay: 0.01,
            clip_norm: Some(1.0),
            ema_decay: 0.995,
            text_dropout: 0.05,
            timesteps: TimestepSampling::NoiseEnd {
                share: 0.8,
                from: 0.9,
            },
            seed: 0,
            min_snr_gamma: None,
            early_stop: None,
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// Returns [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        check("steps", self.steps, "at least 1", self.steps > 0)?;
        check(
            "batch_size",
            self.batch_size,
            "at least 1",
            self.batch_size > 0,
        )?;
        check(
            "micro_batch",
            self.micro_batch,
            "at least 1",
            self.micro_batch > 0,
        )?;
        let repeats = self.noises_per_block;
        let divides = repeats > 0 && self.batch_size.is_multiple_of(repeats);
        check(
            "noises_per_block",
            repeats,
            "a divisor of `batch_size`",
            divides,
        )?;
        positive("learning_rate", self.learning_rate)?;
        share("final_share", self.final_share)?;
        let decay = self.weight_decay;
        let fits = decay.is_finite() && decay >= 0.0;
        check("weight_decay", decay, "a finite number of at least 0", fits)?;
        if let Some(norm) = self.clip_norm {
            positive("clip_norm", norm)?;
        }
        proper_share("ema_decay", self.ema_decay)?;
        share("text_dropout", self.text_dropout)?;
        if let Some(gamma) = self.min_snr_gamma {
            positive("min_snr_gamma", gamma)?;
        }
        if let Some(stop) = self.early_stop {
            check("early_stop.every", stop.every, "at least 1", stop.every > 0)?;
            check(
                "early_stop.patience",
                stop.patience,
                "at least 1",
                stop.patience > 0,
            )?;
            check("early_stop.rows", stop.rows, "at least 1", stop.rows > 0)?;
        }
        if let TimestepSampling::NoiseEnd { share: part, from } = self.timesteps {
            share("timesteps.share", part)?;
            proper_share("timesteps.from", from)?;
        }
        Ok(())
    }

    /// Learning rate of step `step`, counted from 1: linear warm-up, then a cosine from the peak to
    /// `final_share` of it.
    pub(crate) fn learning_rate_at(&self, step: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.learning_rate * step as f64 / self.warmup_steps.max(1) as f64;
        }
        let span = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let done = ((step - self.warmup_steps) as f64 / span).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.learning_rate * (self.final_share + (1.0 - self.final_share) * cosine)
    }

    /// Decay of the moving average at step `step`, counted from 1.
    pub(crate) fn ema_decay_at(&self, step: u64) -> f64 {
        self.ema_decay
            .min((1.0 + step as f64) / (10.0 + step as f64))
    }
}

fn check(
    field: &'static str,
    value: impl ToString,
    requirement: &'static str,
    fits: bool,
) -> Result<(), Error> {
    if fits {
        return Ok(());
    }
    Err(Error::config(field, value, requirement))
}

fn positive(field: &'static str, value: f64) -> Result<(), Error> {
    let fits = value.is_finite() && value > 0.0;
    check(field, value, "a positive, finite number", fits)
}

fn share(field: &'static str, value: f64) -> Result<(), Error> {
    check(field, value, "from 0 to 1", (0.0..=1.0).contains(&value))
}

fn proper_share(field: &'static str, value: f64) -> Result<(), Error> {
    check(
        field,
        value,
        "at least 0 and below 1",
        (0.0..1.0).contains(&value),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_round_trip() {
        for config in [TrainConfig::paper(), TrainConfig::compact()] {
            config.validate().unwrap();
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TrainConfig>(&json).unwrap(), config);
        }
        // Files that are older than these fields lack them.
        let json = serde_json::to_string(&TrainConfig::paper()).unwrap();
        assert!(!json.contains("min_snr_gamma") && !json.contains("early_stop"));
        let full = TrainConfig {
            min_snr_gamma: Some(5.0),
            early_stop: Some(EarlyStop::default()),
            ..TrainConfig::paper()
        };
        let json = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<TrainConfig>(&json).unwrap(), full);
        let paper = TrainConfig::paper();
        assert_eq!(paper.learning_rate, 1e-5);
        assert_eq!(paper.weight_decay, 0.01);
        assert_eq!(paper.batch_size, 512);
        assert_eq!(paper.timesteps, TimestepSampling::Uniform);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut json = serde_json::to_value(TrainConfig::paper()).unwrap();
        json["learning_rte"] = 1.0.into();
        let error = serde_json::from_value::<TrainConfig>(json).unwrap_err();
        assert!(error.to_string().contains("learning_rte"));
    }

    #[test]
    fn wrong_values_name_their_field() {
        type Change = fn(&mut TrainConfig);
        let wrong: [(&str, Change); 14] = [
            ("steps", |c| c.steps = 0),
            ("batch_size", |c| c.batch_size = 0),
            ("micro_batch", |c| c.micro_batch = 0),
            ("noises_per_block", |c| c.noises_per_block = 7),
            ("learning_rate", |c| c.learning_rate = f64::NAN),
            ("weight_decay", |c| c.weight_decay = -1.0),
            ("clip_norm", |c| c.clip_norm = Some(0.0)),
            ("ema_decay", |c| c.ema_decay = 1.0),
            ("text_dropout", |c| c.text_dropout = 1.5),
            ("min_snr_gamma", |c| c.min_snr_gamma = Some(0.0)),
            ("min_snr_gamma", |c| c.min_snr_gamma = Some(f64::INFINITY)),
            ("early_stop.patience", |c| {
                c.early_stop = Some(EarlyStop {
                    patience: 0,
                    ..EarlyStop::default()
                })
            }),
            ("early_stop.rows", |c| {
                c.early_stop = Some(EarlyStop {
                    rows: 0,
                    ..EarlyStop::default()
                })
            }),
            ("timesteps.from", |c| {
                c.timesteps = TimestepSampling::NoiseEnd {
                    share: 0.5,
                    from: 1.0,
                }
            }),
        ];
        for (field, change) in wrong {
            let mut config = TrainConfig::compact();
            change(&mut config);
            match config.validate() {
                Err(Error::Config { field: found, .. }) => assert_eq!(found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn learning_rate_warms_up_and_falls() {
        let config = TrainConfig {
            steps: 110,
            warmup_steps: 10,
            learning_rate: 1.0,
            final_share: 0.1,
            ..TrainConfig::compact()
        };
        let near = |step, rate: f64| assert!((config.learning_rate_at(step) - rate).abs() < 1e-12);
        near(1, 0.1);
        near(10, 1.0);
        near(60, 0.55);
        near(110, 0.1);
        near(1_000, 0.1);
        let constant = TrainConfig {
            final_share: 1.0,
            ..config
        };
        assert_eq!(constant.learning_rate_at(70), 1.0);
    }
}
