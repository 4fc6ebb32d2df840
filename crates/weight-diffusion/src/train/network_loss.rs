//! A loss on what a network with the predicted weights does, and its gradient.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::index::sample;

use super::parameter_vector;
use crate::diffusion::noise::{fill_normal, stream};
use crate::readback::read;
use crate::{BlockDataset, BlockSource, Error, UNet1d};
use encoded_text::{EncodedPrompt, TextCondition};

/// The reason why a caller's function failed.
pub type LossError = Box<dyn std::error::Error + Send + Sync>;

/// A loss on all weights of one network together, for example on what the network does with them.
///
/// Weights that are close in L2 may behave quite differently, and the other way round. The paper trains on
/// the weights alone and reports that adding the GAN's loss did not help; this trait makes it possible to
/// try (`docs/decisions/0003-network-loss.md`).
pub trait NetworkLoss {
    /// Computes, for each of `texts`, the loss of its `weights` and the gradient with respect to them. Both
    /// are N·b values, encoded as by [`Layout::encode`](weight_blocks::Layout::encode) and not normalised.
    /// The texts are positions in the prompts that the trainer's step was given or, for a
    /// [`CombinedTrainer`](super::CombinedTrainer), numbers in the data set. `step` counts from 1; random
    /// draws should depend on it alone, so that a resumed run repeats them.
    ///
    /// # Errors
    /// Any reason why the loss cannot be computed; it ends the step.
    fn values_and_gradients(
        &mut self,
        step: u64,
        texts: &[usize],
        weights: &[Vec<f32>],
    ) -> Result<Vec<(f64, Vec<f32>)>, LossError>;
}

/// Prompts of a step, with the numbers by which the loss knows them.
pub(super) struct StepTexts<'a> {
    pub(super) step: u64,
    pub(super) numbers: Vec<usize>,
    pub(super) prompts: Vec<&'a EncodedPrompt>,
}

impl<'a> StepTexts<'a> {
    /// `prompts` under their positions.
    pub(super) fn given(step: u64, prompts: &'a [EncodedPrompt]) -> Result<Self, Error> {
        if prompts.is_empty() {
            return Err(Error::EmptyDataset { missing: "prompts" });
        }
        Ok(Self {
            step,
            numbers: (0..prompts.len()).collect(),
            prompts: prompts.iter().collect(),
        })
    }

    /// `count` of the data set's texts that `seed` and `step` pick, or all if there are fewer.
    pub(super) fn picked(dataset: &'a BlockDataset, seed: u64, step: u64, count: usize) -> Self {
        let all = dataset.texts();
        // From the negated seed, because batches draw from the seed itself.
        let numbers = sample(&mut stream(!seed, step), all.len(), count.min(all.len())).into_vec();
        Self {
            step,
            prompts: numbers.iter().map(|&i| &all[i]).collect(),
            numbers,
        }
    }
}

/// Mean loss of the one-step predictions for `texts`, and its gradient with respect to all weights of `model`.
/// If the N blocks of a network fit into one micro-batch, their graph is kept from the prediction to the
/// gradient. Otherwise rows go through the network `micro_batch` at a time, once for the predictions and once
/// more for the gradient, so that the graph of all N blocks is never in memory.
pub(super) fn through_network(
    model: &UNet1d,
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    (seed, texts): (u64, &StepTexts<'_>),
    micro_batch: usize,
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let noise = Noise::draw(dataset, seed, texts);
    let size = dataset.layout().block_size();
    let keep = dataset.layout().blocks() <= micro_batch;
    let (network, plain) = match keep {
        true => (model.clone(), device.clone()),
        false => (model.valid(), device.clone().without_autodiff()),
    };
    let config = model.config();
    let mut kept = Vec::new();
    let mut weights = vec![Vec::new(); texts.prompts.len()];
    noise.rows(micro_batch, &plain, |number, _, rows| {
        let noisy = rows.noisy.clone().without_autodiff();
        let output = rows.through(&network);
        let constant = output.clone().without_autodiff();
        let end = noise_end(model);
        let clean = (config.parameterization).recover(noisy, constant, end, &config.schedule);
        weights[number].extend(read("predicted weights", clean)?);
        if keep {
            kept.push(output);
        }
        Ok(())
    })?;
    for weights in &mut weights {
        dataset.normalizer().denormalize(weights)?;
    }
    let (mean, constants) = chain(dataset, loss, texts, &weights, slope(model))?;

    let mut kept = kept.into_iter();
    let mut sum: Option<Tensor<1>> = None;
    noise.rows(micro_batch, device, |_, part, rows| {
        let constants =
            TensorData::new(constants[part.clone()].to_vec(), [part.len() / size, size]);
        let constants = Tensor::from_data(constants, device);
        let output = kept.next().unwrap_or_else(|| rows.through(model));
        let mut gradients = (output * constants).sum().backward();
        let gradient = parameter_vector::gradients(model, &mut gradients);
        sum = Some(match sum.take() {
            None => gradient,
            Some(sum) => sum + gradient,
        });
        Ok(())
    })?;
    let gradient = sum.ok_or(Error::EmptyDataset { missing: "texts" })?;
    Ok((mean, gradient))
}

fn noise_end(model: &UNet1d) -> usize {
    model.config().schedule.steps() - 1
}

/// The noise w^T of all blocks of a step's networks.
struct Noise<'a> {
    dataset: &'a BlockDataset,
    texts: &'a StepTexts<'a>,
    values: Vec<f32>,
}

/// Rows of one network on a device.
struct Rows {
    noisy: Tensor<2>,
    n: Tensor<1, Int>,
    text: TextCondition,
}

impl Rows {
    /// F at the noise end.
    fn through(self, model: &UNet1d) -> Tensor<2> {
        let t = Tensor::full(
            [self.noisy.dims()[0]],
            noise_end(model) as i64,
            &self.noisy.device(),
        );
        model.forward(self.noisy, t, self.n, &self.text)
    }
}

impl<'a> Noise<'a> {
    fn draw(dataset: &'a BlockDataset, seed: u64, texts: &'a StepTexts<'a>) -> Self {
        let layout = dataset.layout();
        let mut values = vec![0.0; texts.prompts.len() * layout.blocks() * layout.block_size()];
        fill_normal(&mut stream(!seed, u64::MAX - texts.step), &mut values);
        Self {
            dataset,
            texts,
            values,
        }
    }

    /// Calls `each` with the position among the texts, the range of the rows' values among those of all
    /// networks, and `micro_batch` rows at a time.
    fn rows(
        &self,
        micro_batch: usize,
        device: &Device,
        mut each: impl FnMut(usize, Range<usize>, Rows) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let layout = self.dataset.layout();
        let (blocks, size) = (layout.blocks(), layout.block_size());
        let micro_batch = micro_batch.max(1);
        for (i, &text) in self.texts.prompts.iter().enumerate() {
            let text = TextCondition::from_host(&[text], self.dataset.text_width(), device)?;
            for first in (0..blocks).step_by(micro_batch) {
                let count = micro_batch.min(blocks - first);
                let at = (i * blocks + first) * size;
                let part = at..at + count * size;
                let index: Vec<i64> = (first..first + count).map(|n| n as i64).collect();
                let noisy = TensorData::new(self.values[part.clone()].to_vec(), [count, size]);
                let rows = Rows {
                    noisy: Tensor::from_data(noisy, device),
                    n: Tensor::from_data(TensorData::new(index, [count]), device),
                    text: text.clone(),
                };
                each(i, part, rows)?;
            }
        }
        Ok(())
    }
}

/// Derivative of ŵ⁰ with respect to the network's output F at the noise end, where one is linear in the other.
fn slope(model: &UNet1d) -> f32 {
    let config = model.config();
    (config.parameterization).slope(noise_end(model), &config.schedule) as f32
}

/// Mean loss of `weights` (not normalised), and its derivative with respect to the network's output.
fn chain(
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    texts: &StepTexts<'_>,
    weights: &[Vec<f32>],
    slope: f32,
) -> Result<(f64, Vec<f32>), Error> {
    let step = texts.step;
    let answers = loss
        .values_and_gradients(step, &texts.numbers, weights)
        .map_err(|source| Error::NetworkLoss { step, source })?;
    let count = texts.numbers.len();
    if answers.len() != count {
        return Err(Error::shape("network losses", count, answers.len()));
    }
    let mut mean = 0.0;
    let mut constants = Vec::with_capacity(weights.iter().map(Vec::len).sum());
    for ((value, mut gradient), weights) in answers.into_iter().zip(weights) {
        if gradient.len() != weights.len() {
            return Err(Error::shape(
                "gradient of the network loss",
                weights.len(),
                gradient.len(),
            ));
        }
        mean += value / count as f64;
        dataset.normalizer().scale_gradient(&mut gradient)?;
        constants.extend(gradient.iter().map(|g| slope * g / count as f32));
    }
    Ok((mean, constants))
}
