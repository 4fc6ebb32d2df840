//! How a denoiser is trained.

use serde::{Deserialize, Serialize};

use crate::Error;

/// From which timesteps the training samples come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum TimestepSampling {
    /// Uniform over the schedule, as in the paper (Eq. 1, t ~ U).
    Uniform,
    /// A share of the samples comes uniformly from the noise end, the rest from the whole
    /// schedule. Inference takes its one step at the noise end, so that is where it has to be
    /// right.
    NoiseEnd {
        /// Share of the samples, 0 to 1.
        share: f64,
        /// Where the noise end begins, as a fraction of the schedule: t ≥ from·T.
        from: f64,
    },
}

/// How [`Trainer`](crate::Trainer) trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Optimizer steps in all; the learning rate's cosine ends here.
    pub steps: u64,
    /// Rows (w_n, t, ε) of a batch.
    pub batch_size: usize,
    /// Rows that go through the network at once; the gradients of a batch's parts are summed, so
    /// this changes speed and memory only. On CPUs a part whose activations stay in the cache is
    /// up to twice as fast per row.
    pub micro_batch: usize,
    /// Draws of (t, ε) for each block drawn; divides `batch_size`. 1 is the usual choice; more
    /// lowers the variance of the gradient per block, at fewer different blocks per step.
    pub noises_per_block: usize,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Learning rate at `steps` as a share of the peak, reached along a cosine; 1 keeps it
    /// constant, as the paper does.
    pub final_share: f64,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Largest L2 norm of the gradient over all weights together; none for no clipping.
    pub clip_norm: Option<f64>,
    /// Decay of the exponential moving average of the weights; at step s it is at most
    /// (1 + s)/(10 + s), so that the first steps do not linger.
    pub ema_decay: f64,
    /// Share of rows trained without their text, 0 to 1.
    pub text_dropout: f64,
    /// Which timesteps.
    pub timesteps: TimestepSampling,
    /// Seed of batches, timesteps, noise and text dropout.
    pub seed: u64,
    /// γ of min-SNR-γ weighting (Hang et al. 2023; 5 there), see
    /// [`Parameterization::min_snr_weight`](crate::Parameterization::min_snr_weight); none for equal
    /// weights. It takes weight from the noise end, where the signal-to-noise ratio is next to 0,
    /// except for ε-prediction: of use for sampling in several steps, not for the one step of the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snr_gamma: Option<f64>,
    /// When to stop before `steps`, by the loss on held-out concepts; none for never. Takes effect
    /// through [`Trainer::watch`](crate::Trainer::watch).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStop>,
}

/// When to stop early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Steps from one evaluation to the next.
    pub every: u64,
    /// Evaluations in a row without a new lowest loss after which training ends.
    pub patience: u32,
    /// Rows (w_n, t, ε) of an evaluation, the same ones each time.
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
    /// The paper's: AdamW, learning rate 1e-5 constant, weight decay 0.01, batch 512, uniform
    /// timesteps. The number of steps, the average and its decay (0.9999), clipping at 1 and
    /// 1,000 steps of warm-up are this crate's choice; the paper names none of them.
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

    /// For [`UNet1dConfig::compact`](crate::UNet1dConfig::compact) on a few CPU cores: a higher
    /// learning rate with a cosine, and most samples from the noise end.
    pub fn compact() -> Self {
        Self {
            steps: 2_000,
            batch_size: 128,
            micro_batch: 32,
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
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |field, fits: bool, why: String| {
            if fits {
                Ok(())
            } else {
                Err(Error::config(field, why))
            }
        };
        let share = |field, value: f64| {
            check(
                field,
                (0.0..=1.0).contains(&value),
                format!("{value} must lie in 0..=1"),
            )
        };
        check("steps", self.steps > 0, "must be at least 1".into())?;
        check(
            "batch_size",
            self.batch_size > 0,
            "must be at least 1".into(),
        )?;
        check(
            "micro_batch",
            self.micro_batch > 0,
            "must be at least 1".into(),
        )?;
        check(
            "noises_per_block",
            self.noises_per_block > 0 && self.batch_size.is_multiple_of(self.noises_per_block),
            format!(
                "{} must be at least 1 and divide batch_size {}",
                self.noises_per_block, self.batch_size
            ),
        )?;
        let rate = self.learning_rate;
        check(
            "learning_rate",
            rate.is_finite() && rate > 0.0,
            format!("{rate} must be a positive number"),
        )?;
        share("final_share", self.final_share)?;
        let decay = self.weight_decay;
        check(
            "weight_decay",
            decay.is_finite() && decay >= 0.0,
            format!("{decay} must not be negative"),
        )?;
        if let Some(norm) = self.clip_norm {
            check(
                "clip_norm",
                norm.is_finite() && norm > 0.0,
                format!("{norm} must be a positive number"),
            )?;
        }
        check(
            "ema_decay",
            (0.0..1.0).contains(&self.ema_decay),
            format!("{} must lie in 0..1", self.ema_decay),
        )?;
        share("text_dropout", self.text_dropout)?;
        if let Some(gamma) = self.min_snr_gamma {
            check(
                "min_snr_gamma",
                gamma.is_finite() && gamma > 0.0,
                format!("{gamma} must be a positive number"),
            )?;
        }
        if let Some(stop) = self.early_stop {
            check(
                "early_stop",
                stop.every > 0 && stop.patience > 0 && stop.rows > 0,
                format!("{stop:?} holds a zero"),
            )?;
        }
        if let TimestepSampling::NoiseEnd { share: part, from } = self.timesteps {
            share("timesteps.share", part)?;
            check(
                "timesteps.from",
                (0.0..1.0).contains(&from),
                format!("{from} must lie in 0..1"),
            )?;
        }
        Ok(())
    }

    /// Learning rate of step `step`, counted from 1: linear warm-up, then a cosine from the peak
    /// to `final_share` of it.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
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
        // As in files written before these fields were there.
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
            ("early_stop", |c| {
                c.early_stop = Some(EarlyStop {
                    patience: 0,
                    ..EarlyStop::default()
                })
            }),
            ("early_stop", |c| {
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
