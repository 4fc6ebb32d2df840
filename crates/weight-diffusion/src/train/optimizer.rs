//! AdamW on all weights of a network at once: the part that all trainers share.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fused_ops::{AdamW, adamw_step, moving_average, squared_norm};
use serde::{Deserialize, Serialize};

use super::{TrainConfig, parameter_vector};
use crate::readback::{read, scalar};
use crate::{Error, UNet1d};

/// What one optimizer step did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepStats {
    /// Number of the step, from 1.
    pub step: u64,
    /// Loss of the batch before the update.
    pub loss: f64,
    /// Learning rate used.
    pub learning_rate: f64,
    /// L2 norm of the gradient before clipping.
    pub grad_norm: f64,
}

/// The network in training, the moving average of its weights, and the state of AdamW.
pub(super) struct Optimizer {
    pub(super) config: TrainConfig,
    /// The network, on an autodiff device.
    pub(super) model: UNet1d,
    pub(super) device: Device,
    /// Number of steps taken.
    pub(super) step: u64,
    /// The weights of `model` as one vector without autodiff.
    pub(super) weights: Tensor<1>,
    /// Exponential moving average of `weights`.
    pub(super) average: Tensor<1>,
    /// First and second moments of the gradient; none before the first step.
    pub(super) moments: Option<[Tensor<1>; 2]>,
    adamw: AdamW,
}

impl Optimizer {
    /// An optimizer that starts from the weights of `model`, which is on the autodiff device `device`.
    pub(super) fn new(config: TrainConfig, model: UNet1d, device: Device) -> Self {
        let weights = parameter_vector::parameters(&model);
        Self {
            adamw: AdamW {
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: 1e-8,
                weight_decay: config.weight_decay,
            },
            average: weights.clone(),
            moments: None,
            step: 0,
            config,
            model,
            weights,
            device,
        }
    }

    /// Puts `weights` into the network.
    pub(super) fn set_weights(&mut self, weights: Tensor<1>) {
        self.model = parameter_vector::with_parameters(self.model.clone(), &weights);
        self.weights = weights;
    }

    /// Clips `gradient` and takes an AdamW step with it. `loss` is only checked and reported.
    ///
    /// # Errors
    /// Returns [`Error::NotFinite`] if the loss or the gradient is NaN or infinite; no step is taken then.
    pub(super) fn descend(&mut self, loss: f64, gradient: Tensor<1>) -> Result<StepStats, Error> {
        let step = self.step + 1;
        let grad_norm = scalar("the gradient norm", squared_norm(&gradient))?.sqrt();
        let learning_rate = self.config.learning_rate_at(step);
        for (what, value) in [("loss", loss), ("gradient norm", grad_norm)] {
            if !value.is_finite() {
                let layer = self.blame(&[&self.weights, &gradient])?;
                return Err(self.not_finite(what, value, step, layer));
            }
        }
        let scale = match self.config.clip_norm {
            Some(limit) if grad_norm > limit => limit / grad_norm,
            _ => 1.0,
        };
        self.update(step, learning_rate, (gradient, scale));
        Ok(StepStats {
            step,
            loss,
            learning_rate,
            grad_norm,
        })
    }

    fn update(&mut self, step: u64, learning_rate: f64, gradient: (Tensor<1>, f64)) {
        let (weights, moments) = adamw_step(
            &self.adamw,
            self.weights.clone(),
            gradient,
            self.moments.take(),
            step as usize,
            learning_rate,
        );
        let decay = self.config.ema_decay_at(step);
        // Taken out of `self`, so that it can be changed in place.
        let average = std::mem::replace(&mut self.average, weights.clone());
        self.average = moving_average(average, &weights, decay);
        self.set_weights(weights);
        self.moments = Some(moments);
        self.step = step;
    }

    /// The name of the first parameter for which one of `vectors` holds a NaN or an infinity, with that
    /// value. If there is none, the parameter with the largest value of the first vector.
    pub(super) fn blame(&self, vectors: &[&Tensor<1>]) -> Result<(String, f64), Error> {
        let name_at = |index| parameter_vector::name_at(&self.model, index);
        let mut largest = None;
        for vector in vectors {
            let values = read("weights", (*vector).clone())?;
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Ok((name_at(at), f64::from(values[at])));
            }
            let places = values.iter().enumerate();
            let top = places.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            largest = largest.or(top.map(|(at, value)| (at, f64::from(*value))));
        }
        let (at, value) = largest.unwrap_or((0, 0.0));
        Ok((name_at(at), value))
    }

    /// Checks `values`, a vector of a state to be saved.
    ///
    /// # Errors
    /// Returns [`Error::NotFinite`] if one of them is NaN or infinite.
    pub(super) fn check_finite(&self, values: &[f32]) -> Result<(), Error> {
        let Some(at) = values.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let (name, value) = (
            parameter_vector::name_at(&self.model, at),
            f64::from(values[at]),
        );
        Err(self.not_finite("weights", value, self.step, (name, value)))
    }

    pub(super) fn not_finite(
        &self,
        what: &'static str,
        value: f64,
        step: u64,
        (layer, found): (String, f64),
    ) -> Error {
        Error::NotFinite {
            what,
            value,
            step,
            layer,
            found,
            learning_rate: self.config.learning_rate_at(step),
        }
    }

    /// The network with the averaged weights, without autodiff.
    pub(super) fn ema_model(&self) -> UNet1d {
        parameter_vector::with_parameters(self.model.valid(), &self.average)
    }
}
