//! The loss on held-out concepts, and when it says to stop.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, DeviceBatch};
use crate::{BlockSource, EarlyStop, Error, TrainConfig, UNet1d};

/// What [`Trainer::watch`](crate::Trainer::watch) found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Steps taken.
    pub step: u64,
    /// Loss of the averaged weights on the held-out concepts.
    pub loss: f64,
    /// Lowest so far, this one included.
    pub best_loss: f64,
    /// When that was.
    pub best_step: u64,
    /// Evaluations since then.
    pub since: u32,
    /// Whether training ends here.
    pub stop: bool,
}

/// The best evaluation so far.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) state: WatchState,
    /// The averaged weights at that step.
    pub(crate) best: Tensor<1>,
}

/// What a state's JSON holds of it. The loss is a 32-bit float, so that JSON gives it back to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchState {
    pub(crate) best_loss: f32,
    pub(crate) best_step: u64,
    pub(crate) since: u32,
    /// Step of the last evaluation.
    pub(crate) last_step: u64,
}

impl Watch {
    /// Takes an evaluation in.
    pub(crate) fn take(before: Option<Self>, loss: f32, step: u64, average: &Tensor<1>) -> Self {
        match before {
            Some(mut before) if loss >= before.state.best_loss => {
                before.state.since += 1;
                before.state.last_step = step;
                before
            }
            _ => Self {
                state: WatchState {
                    best_loss: loss,
                    best_step: step,
                    since: 0,
                    last_step: step,
                },
                best: average.clone(),
            },
        }
    }

    pub(crate) fn validation(&self, loss: f32, stop: EarlyStop) -> Validation {
        Validation {
            step: self.state.last_step,
            loss: f64::from(loss),
            best_loss: f64::from(self.state.best_loss),
            best_step: self.state.best_step,
            since: self.state.since,
            stop: self.state.stops(stop),
        }
    }
}

impl WatchState {
    pub(crate) fn stops(&self, stop: EarlyStop) -> bool {
        self.since >= stop.patience
    }
}

/// Weighted mean squared error of the network's output.
pub(crate) fn mean_loss(model: &UNet1d, batch: DeviceBatch) -> Tensor<1> {
    let output = model.forward(batch.noisy, batch.t, batch.n, &batch.text);
    let errors = (output - batch.target).square();
    match batch.weights {
        None => errors.mean(),
        Some(weights) => (errors.mean_dim(1) * weights).mean(),
    }
}

/// The training loss of `model` on `rows` fixed rows of `dataset`, with the text of each.
pub(crate) fn held_out_loss(
    model: &UNet1d,
    dataset: &dyn BlockSource,
    config: &TrainConfig,
    rows: usize,
    device: &Device,
) -> Result<f32, Error> {
    let fixed = TrainConfig {
        batch_size: rows,
        noises_per_block: 1,
        text_dropout: 0.0,
        // Step 0 is no training step: these rows are drawn for nothing else.
        ..config.clone()
    };
    let unet = model.config();
    let batch = Batch::draw(dataset, &fixed, &unet.schedule, unet.parameterization, 0)?;
    let mut sum = 0.0;
    for first in (0..rows).step_by(config.micro_batch) {
        let part = first..rows.min(first + config.micro_batch);
        let share = part.len() as f64 / rows as f64;
        let part = batch.upload(part, dataset, device)?;
        let loss = crate::trainer::scalar("the held-out loss", mean_loss(model, part))?;
        sum += share * loss;
    }
    Ok(sum as f32)
}
