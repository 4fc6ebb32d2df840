//! A training batch, drawn on the host.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{TimestepSampling, TrainConfig};
use crate::Error;
use crate::data::{self, BlockSource};
use crate::diffusion::noise::{fill_normal, stream};
use crate::diffusion::{NoiseSchedule, Parameterization};
use encoded_text::{EncodedPrompt, TextCondition};

/// Inputs and targets of the network, row after row.
pub(crate) struct Batch {
    /// w^t, `[B, b]`.
    pub(crate) noisy: Vec<f32>,
    /// ε, w⁰ or v, `[B, b]`.
    pub(crate) target: Vec<f32>,
    /// Weight of each row's error, if they differ.
    pub(crate) weights: Option<Vec<f32>>,
    pub(crate) t: Vec<i64>,
    pub(crate) n: Vec<i64>,
    /// Number of the text; none if it is dropped.
    pub(crate) texts: Vec<Option<usize>>,
    block_size: usize,
}

/// A [`Batch`] on a device.
pub(crate) struct DeviceBatch {
    pub(crate) noisy: Tensor<2>,
    pub(crate) target: Tensor<2>,
    /// `[B, 1]`.
    pub(crate) weights: Option<Tensor<2>>,
    pub(crate) t: Tensor<1, Int>,
    pub(crate) n: Tensor<1, Int>,
    pub(crate) text: TextCondition,
}

impl Batch {
    /// Draws the batch of step `step`, which depends only on the arguments.
    pub(crate) fn draw(
        dataset: &dyn BlockSource,
        config: &TrainConfig,
        schedule: &NoiseSchedule,
        parameterization: Parameterization,
        step: u64,
    ) -> Result<Self, Error> {
        let repeats = config.noises_per_block.max(1);
        let blocks = config.batch_size / repeats;
        let block_size = dataset.layout().block_size();
        let mut rng = stream(config.seed, 2 * step + 1);
        let rows = blocks * repeats;
        let mut batch = Self {
            noisy: vec![0.0; rows * block_size],
            target: vec![0.0; rows * block_size],
            weights: config.min_snr_gamma.map(|_| Vec::with_capacity(rows)),
            t: Vec::with_capacity(rows),
            n: Vec::with_capacity(rows),
            texts: Vec::with_capacity(rows),
            block_size,
        };
        fill_normal(&mut rng, &mut batch.noisy);
        let mut clean = vec![0.0; block_size];
        let records = data::draw(dataset.records(), config.seed, step, blocks);
        for (record, index) in records.enumerate() {
            let (n, text) = dataset.read_record(index, &mut clean)?;
            for row in record * repeats..(record + 1) * repeats {
                let t = timestep(config.timesteps, schedule.steps(), &mut rng);
                let values = row * block_size..(row + 1) * block_size;
                let noise = &mut batch.noisy[values.clone()];
                let target = &mut batch.target[values];
                parameterization.target(&clean, noise, t, schedule, target);
                schedule.add_noise(&clean, noise, t);
                if let (Some(weights), Some(gamma)) = (&mut batch.weights, config.min_snr_gamma) {
                    weights.push(parameterization.min_snr_weight(schedule.snr(t), gamma) as f32);
                }
                let dropped =
                    config.text_dropout > 0.0 && rng.random::<f64>() < config.text_dropout;
                batch.t.push(t as i64);
                batch.n.push(n as i64);
                batch.texts.push((!dropped).then_some(text));
            }
        }
        Ok(batch)
    }

    pub(crate) fn rows(&self) -> usize {
        self.t.len()
    }

    /// Moves the rows `part` to `device`. Each text that occurs among them is moved once.
    pub(crate) fn upload(
        &self,
        part: Range<usize>,
        dataset: &dyn BlockSource,
        device: &Device,
    ) -> Result<DeviceBatch, Error> {
        let rows = part.len();
        let mut numbers = Vec::new();
        let mut places = BTreeMap::new();
        let index: Vec<i64> = self.texts[part.clone()]
            .iter()
            .map(|text| {
                *places.entry(*text).or_insert_with(|| {
                    numbers.push(*text);
                    numbers.len() as i64 - 1
                })
            })
            .collect();
        let texts = numbers
            .into_iter()
            .map(|number| match number {
                Some(number) => dataset.read_text(number),
                None => Ok(Cow::Owned(EncodedPrompt::empty())),
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let distinct: Vec<&EncodedPrompt> = texts.iter().map(Cow::as_ref).collect();
        let table = TextCondition::from_host(&distinct, dataset.text_width(), device)?;
        // On the host, because `select` on boolean tensors changes their element type on flex (burn 0.22.1).
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
            weights: (self.weights.as_ref()).map(|weights| {
                let weights = weights[part.clone()].to_vec();
                Tensor::from_data(TensorData::new(weights, [rows, 1]), device)
            }),
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
