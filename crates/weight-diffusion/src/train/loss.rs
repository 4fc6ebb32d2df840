//! The loss on blocks: of a training batch, and of held-out concepts.

use burn::tensor::{Device, Tensor};

use super::TrainConfig;
use super::batch::{Batch, DeviceBatch};
use crate::readback::scalar;
use crate::{BlockSource, Error, UNet1d};

/// Weighted mean squared error of the network's output.
pub(super) fn mean_loss(model: &UNet1d, batch: DeviceBatch) -> Tensor<1> {
    let output = model.forward(batch.noisy, batch.t, batch.n, &batch.text);
    let errors = (output - batch.target).square();
    match batch.weights {
        None => errors.mean(),
        Some(weights) => (errors.mean_dim(1) * weights).mean(),
    }
}

/// The training loss of `model` on `rows` fixed rows of `dataset`; no text is dropped.
pub(super) fn held_out_loss(
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
        ..config.clone()
    };
    let unet = model.config();
    // Training starts at step 1, so the rows of step 0 are drawn for nothing else.
    let batch = Batch::draw(dataset, &fixed, &unet.schedule, unet.parameterization, 0)?;
    let mut sum = 0.0;
    for first in (0..rows).step_by(config.micro_batch) {
        let part = first..rows.min(first + config.micro_batch);
        let share = part.len() as f64 / rows as f64;
        let part = batch.upload(part, dataset, device)?;
        sum += share * scalar("the held-out loss", mean_loss(model, part))?;
    }
    Ok(sum as f32)
}

#[cfg(test)]
mod tests {
    use weight_blocks::{
        GroupingRule, LayerGroup, LayerKind, Layout, Normalization, Normalizer, TensorRole,
        TensorSpec,
    };

    use super::*;
    use crate::train::{TimestepSampling, parameter_vector};
    use crate::{BlockDataset, Parameterization, UNet1dConfig};
    use encoded_text::EncodedPrompt;

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
        let text = EncodedPrompt::new(vec![0.5; 8], 1);
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
