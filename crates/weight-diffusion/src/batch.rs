//! One training batch, drawn on the host.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::noise::{fill_normal, stream};
use crate::{
    BlockDataset, Error, HostText, NoiseSchedule, Parameterization, TextCondition,
    TimestepSampling, TrainConfig,
};

/// What the network sees and what it should answer, row after row.
pub(crate) struct Batch {
    /// w^t, `[B, b]`.
    pub(crate) noisy: Vec<f32>,
    /// ε or v, `[B, b]`.
    pub(crate) target: Vec<f32>,
    pub(crate) t: Vec<i64>,
    pub(crate) n: Vec<i64>,
    /// None where the text is dropped.
    pub(crate) texts: Vec<Option<usize>>,
    block_size: usize,
}

/// A [`Batch`] on a device.
pub(crate) struct DeviceBatch {
    pub(crate) noisy: Tensor<2>,
    pub(crate) target: Tensor<2>,
    pub(crate) t: Tensor<1, Int>,
    pub(crate) n: Tensor<1, Int>,
    pub(crate) text: TextCondition,
}

impl Batch {
    /// The batch of step `step`; it depends on the arguments only.
    pub(crate) fn draw(
        dataset: &BlockDataset,
        config: &TrainConfig,
        schedule: &NoiseSchedule,
        parameterization: Parameterization,
        step: u64,
    ) -> Self {
        let repeats = config.noises_per_block.max(1);
        let records = dataset.sample(config.seed, step, config.batch_size / repeats);
        let block_size = dataset.layout().block_size();
        let mut rng = stream(config.seed, 2 * step + 1);
        let rows = records.len() * repeats;
        let mut batch = Self {
            noisy: vec![0.0; rows * block_size],
            target: vec![0.0; rows * block_size],
            t: Vec::with_capacity(rows),
            n: Vec::with_capacity(rows),
            texts: Vec::with_capacity(rows),
            block_size,
        };
        fill_normal(&mut rng, &mut batch.noisy);
        for row in 0..rows {
            let record = &records[row / repeats];
            let t = timestep(config.timesteps, schedule.steps(), &mut rng);
            let values = row * block_size..(row + 1) * block_size;
            let noise = &mut batch.noisy[values.clone()];
            let target = &mut batch.target[values];
            match parameterization {
                Parameterization::Epsilon => target.copy_from_slice(noise),
                Parameterization::Skip => {
                    let (alpha, sigma) = (schedule.alpha(t) as f32, schedule.sigma(t) as f32);
                    for ((v, e), w) in target.iter_mut().zip(noise.iter()).zip(record.weights) {
                        *v = alpha * e - sigma * w;
                    }
                }
            }
            schedule.add_noise(record.weights, noise, t);
            let dropped = config.text_dropout > 0.0 && rng.random::<f64>() < config.text_dropout;
            batch.t.push(t as i64);
            batch.n.push(record.n as i64);
            batch.texts.push((!dropped).then_some(record.text));
        }
        batch
    }

    pub(crate) fn rows(&self) -> usize {
        self.t.len()
    }

    /// Moves the rows `part` to `device`; each text that occurs among them goes there once.
    pub(crate) fn upload(
        &self,
        part: Range<usize>,
        texts: &[HostText],
        width: usize,
        device: &Device,
    ) -> Result<DeviceBatch, Error> {
        let rows = part.len();
        let empty = HostText {
            tokens: Vec::new(),
            len: 0,
        };
        let mut distinct = Vec::new();
        let mut places = BTreeMap::new();
        let index: Vec<i64> = self.texts[part.clone()]
            .iter()
            .map(|text| {
                *places.entry(*text).or_insert_with(|| {
                    distinct.push(text.and_then(|i| texts.get(i)).unwrap_or(&empty));
                    distinct.len() as i64 - 1
                })
            })
            .collect();
        let table = TextCondition::from_host(&distinct, width, device)?;
        // On the host: flex gives a selection of booleans another type (burn 0.22.1).
        let longest = table.tokens.dims()[1];
        let lens = index
            .iter()
            .map(|&i| distinct.get(i as usize).map_or(0, |text| text.len));
        let mask: Vec<bool> = lens
            .flat_map(|len| (0..longest).map(move |at| at < len))
            .collect();
        let ints = |values: &[i64]| {
            Tensor::<1, Int>::from_data(TensorData::new(values.to_vec(), [rows]), device)
        };
        let size = self.block_size;
        let floats = |values: &[f32]| {
            let values = values[part.start * size..part.end * size].to_vec();
            Tensor::<2>::from_data(TensorData::new(values, [rows, size]), device)
        };
        Ok(DeviceBatch {
            noisy: floats(&self.noisy),
            target: floats(&self.target),
            t: ints(&self.t[part.clone()]),
            n: ints(&self.n[part.clone()]),
            text: TextCondition {
                tokens: table.tokens.select(0, ints(&index)),
                mask: Tensor::from_data(TensorData::new(mask, [rows, longest]), device),
            },
        })
    }
}

fn timestep(sampling: TimestepSampling, steps: usize, rng: &mut ChaCha8Rng) -> usize {
    let from = match sampling {
        TimestepSampling::NoiseEnd { share, from } if rng.random::<f64>() < share => {
            ((from * steps as f64).ceil() as usize).min(steps - 1)
        }
        _ => 0,
    };
    rng.random_range(from..steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_end_gets_its_share() {
        let mut rng = stream(1, 1);
        let sampling = TimestepSampling::NoiseEnd {
            share: 0.5,
            from: 0.9,
        };
        let late = (0..10_000)
            .filter(|_| timestep(sampling, 1000, &mut rng) >= 900)
            .count();
        // 0.5 + 0.5·0.1
        assert!((5_300..5_700).contains(&late), "{late}");
        let all = (0..10_000).map(|_| timestep(TimestepSampling::Uniform, 3, &mut rng));
        let mut counts = [0; 3];
        all.for_each(|t| counts[t] += 1);
        assert!(counts.iter().all(|&c| c > 3_000), "{counts:?}");
    }
}
