//! The loss on held-out concepts, and when it says to stop.

use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::batch::{Batch, DeviceBatch};
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
        let loss = crate::readback::scalar("the held-out loss", mean_loss(model, part))?;
        sum += share * loss;
    }
    Ok(sum as f32)
}

#[cfg(test)]
mod tests {
    use weight_blocks::{
        GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole,
        TensorSpec,
    };

    use super::super::parameter_vector;
    use super::*;
    use crate::{BlockDataset, HostText, Parameterization, TimestepSampling, UNet1dConfig};

    fn dataset() -> BlockDataset {
        let spec = TensorSpec {
            name: "a".into(),
            shape: vec![48],
            role: TensorRole::NormBias,
        };
        let group = LayerGroup {
            name: "l".into(),
            kind: LayerKind::Linear,
            tensors: vec![spec],
        };
        let layout = Layout::new("tiny", vec![group], GroupingRule::Appended, 16).unwrap();
        let weights: Vec<f32> = (0..48u8).map(|i| f32::from(i) / 50.0).collect();
        let normalizer =
            Normalizer::fit(&layout, Normalization::None, [weights.as_slice()]).unwrap();
        let text = HostText {
            tokens: vec![0.5; 8],
            len: 1,
        };
        BlockDataset::new(layout, normalizer, vec![text], 8, vec![(0, weights)]).unwrap()
    }

    #[test]
    fn min_snr_weighs_each_row_by_its_own_timestep() {
        const GAMMA: f64 = 5.0;
        let (data, device) = (dataset(), Device::flex());
        let config = TrainConfig {
            batch_size: 12,
            min_snr_gamma: Some(GAMMA),
            timesteps: TimestepSampling::Uniform,
            ..TrainConfig::compact()
        };
        for parameterization in [
            Parameterization::Epsilon,
            Parameterization::Sample,
            Parameterization::Velocity,
            Parameterization::Skip,
        ] {
            let unet = UNet1dConfig {
                block_size: 16,
                patch_size: 4,
                base_channels: 16,
                context_width: 8,
                parameterization,
                ..UNet1dConfig::compact()
            };
            let schedule = &unet.schedule;
            let batch = Batch::draw(&data, &config, schedule, parameterization, 3).unwrap();
            let different: std::collections::BTreeSet<_> = batch.t.iter().collect();
            assert!(different.len() > 8, "{:?}", batch.t);
            let expected: Vec<f32> = (batch.t.iter())
                .map(|&t| {
                    let snr = schedule.snr(t as usize);
                    parameterization.min_snr_weight(snr, GAMMA) as f32
                })
                .collect();
            assert_eq!(batch.weights.as_deref(), Some(expected.as_slice()));

            let model = UNet1d::new(&unet, 1, &device).unwrap();
            // The output layer is zero at the start.
            let moved = parameter_vector::parameters(&model).add_scalar(0.02);
            let model = parameter_vector::with_parameters(model, &moved);
            for part in [0..12, 5..11] {
                let upload = || batch.upload(part.clone(), &data, &device).unwrap();
                let rows = upload();
                let output = model.forward(rows.noisy, rows.t, rows.n, &rows.text);
                let output: Vec<f32> = output.try_into_vec_as().unwrap();
                let mut sum = 0.0;
                for (row, output) in part.clone().zip(output.chunks(16)) {
                    let target = &batch.target[row * 16..(row + 1) * 16];
                    let squares: f64 = (output.iter().zip(target))
                        .map(|(o, t)| f64::from(o - t).powi(2))
                        .sum();
                    sum += f64::from(expected[row]) * squares / 16.0;
                }
                let host = sum / part.len() as f64;
                let found: Vec<f32> = mean_loss(&model, upload()).try_into_vec_as().unwrap();
                let found = f64::from(found[0]);
                assert!(
                    (found / host - 1.0).abs() < 1e-4,
                    "{parameterization:?} {part:?}: {found} {host}"
                );
            }
        }
    }
}
