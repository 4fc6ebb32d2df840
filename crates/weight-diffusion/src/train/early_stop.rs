//! Early stopping on the loss of held-out concepts.

use burn::module::Module;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::blocks::BlockTrainer;
use super::loss::held_out_loss;
use super::trainer::check_source;
use super::{EarlyStop, parameter_vector};
use crate::{BlockSource, Error, UNet1d};

/// One evaluation on held-out concepts, by [`BlockTrainer::watch`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Number of steps taken.
    pub step: u64,
    /// Loss of the averaged weights on the held-out concepts.
    pub loss: f64,
    /// Lowest loss so far, this one included.
    pub best_loss: f64,
    /// Step with the lowest loss.
    pub best_step: u64,
    /// Number of evaluations since then.
    pub since: u32,
    /// Whether training ends here.
    pub stop: bool,
}

/// The averaged weights with the lowest held-out loss so far.
#[derive(Debug, Clone)]
pub(super) struct BestWeights {
    pub(super) state: WatchState,
    pub(super) weights: Tensor<1>,
}

/// The part of [`BestWeights`] in a saved state's JSON. The loss is a 32-bit float, so that JSON restores
/// it bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchState {
    best_loss: f32,
    best_step: u64,
    since: u32,
    /// Step of the last evaluation.
    last_step: u64,
}

impl BestWeights {
    /// Takes an evaluation of `average` into account.
    fn update(before: Option<Self>, loss: f32, step: u64, average: &Tensor<1>) -> Self {
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
                weights: average.clone(),
            },
        }
    }
}

impl WatchState {
    pub(super) fn stops(&self, stop: EarlyStop) -> bool {
        self.since >= stop.patience
    }
}

impl BlockTrainer {
    /// Evaluates the averaged weights on `held_out`, concepts that are not trained on, whenever
    /// [`TrainConfig::early_stop`](super::TrainConfig::early_stop) says so: every `every` steps, and after
    /// the last one. Gives nothing if no evaluation is due. Rows, noise and timesteps are the same each
    /// time; timesteps are drawn and errors weighted as in training, and no text is dropped.
    ///
    /// Call it after each [`BlockTrainer::step`] and before [`save_state`](super::Trainer::save_state): the
    /// state then holds the best weights so far, and a resumed run stops where an uninterrupted one does.
    ///
    /// # Errors
    /// Returns [`Error::Layout`] or [`Error::Shape`] if the trainer was made for another layout or text width,
    /// [`Error::NotFinite`] if the loss is NaN or infinite, [`Error::Device`] if it cannot be read back, and
    /// the error of a data set that cannot be read.
    pub fn watch(&mut self, held_out: &dyn BlockSource) -> Result<Option<Validation>, Error> {
        let Some(stop) = self.config().early_stop else {
            return Ok(None);
        };
        let step = self.steps_done();
        let seen = (self.best.as_ref()).is_some_and(|best| best.state.last_step == step);
        let due = step.is_multiple_of(stop.every) || step >= self.config().steps;
        if seen || !due {
            return Ok(None);
        }
        let loss = self.held_out_loss(held_out, stop.rows)?;
        let best = BestWeights::update(self.best.take(), loss, step, &self.optimizer.average);
        let state = self.best.insert(best).state;
        Ok(Some(Validation {
            step,
            loss: f64::from(loss),
            best_loss: f64::from(state.best_loss),
            best_step: state.best_step,
            since: state.since,
            stop: state.stops(stop),
        }))
    }

    fn held_out_loss(&self, held_out: &dyn BlockSource, rows: usize) -> Result<f32, Error> {
        check_source(&self.data, held_out)?;
        let optimizer = &self.optimizer;
        let device = optimizer.device.clone().without_autodiff();
        let model = optimizer.ema_model();
        let loss = held_out_loss(&model, held_out, &optimizer.config, rows, &device)?;
        if loss.is_finite() {
            return Ok(loss);
        }
        let layer = optimizer.blame(&[&optimizer.average])?;
        let (value, step) = (f64::from(loss), optimizer.step);
        Err(optimizer.not_finite("held-out loss", value, step, layer))
    }

    /// A network with the averaged weights of the step at which [`BlockTrainer::watch`] found the lowest
    /// loss, without autodiff; with those of the last step if there was no evaluation.
    pub fn best_model(&self) -> UNet1d {
        match &self.best {
            Some(best) => {
                parameter_vector::with_parameters(self.optimizer.model.valid(), &best.weights)
            }
            None => self.ema_model(),
        }
    }
}
