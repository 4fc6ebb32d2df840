//! A loss on what a network with the predicted weights does, and its gradient.

use std::num::NonZero;
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

/// Networks that are computed at a time for each core. A network does not keep a core busy, and each takes memory.
const PER_CORE: usize = 4;
const NO_TEXTS: Error = Error::EmptyDataset { missing: "texts" };

/// Mean loss of the one-step predictions for `texts`, and its gradient with respect to all weights of `model`.
/// If the N blocks of a network fit into one micro-batch, their graph is kept from the prediction to the
/// gradient, and networks are computed in parallel. Otherwise rows go through the network `micro_batch` at a time, once for the
/// predictions and once more for the gradient, so that the graph of all N blocks is never in memory.
pub(super) fn through_network(
    model: &UNet1d,
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    (seed, texts): (u64, &StepTexts<'_>),
    micro_batch: usize,
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let noise = Noise::draw(dataset, seed, texts);
    if dataset.layout().blocks() <= micro_batch {
        at_once(model, &noise, loss, device)
    } else {
        in_parts(model, &noise, loss, micro_batch.max(1), device)
    }
}

/// [`through_network`] with a graph for each network.
fn at_once(
    model: &UNet1d,
    noise: &Noise<'_>,
    loss: &mut dyn NetworkLoss,
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let networks = 0..noise.texts.prompts.len();
    let start = |network: usize| {
        // Burn keeps graphs that share a node under one lock, so each thread has a copy of the model.
        let model = model.clone().fork(device);
        let text = noise.text(network, device)?;
        let rows = noise.rows(network, 0..noise.blocks(), text, device);
        let (output, weights) = predict(&model, rows)?;
        Ok((weights, (model, output)))
    };
    let predicted = in_threads(networks, start)?;
    let (weights, graphs): (Vec<_>, Vec<_>) = predicted.into_iter().unzip();
    let (mean, slopes) = chain(noise, loss, weights, slope(model))?;
    let gradients = in_threads(
        graphs.into_iter().zip(slopes),
        |((model, output), slopes)| Ok(gradient(&model, output, slopes, device)),
    )?;
    Ok((mean, sum(gradients).ok_or(NO_TEXTS)?))
}

/// [`through_network`] with a graph for each micro-batch.
fn in_parts(
    model: &UNet1d,
    noise: &Noise<'_>,
    loss: &mut dyn NetworkLoss,
    micro_batch: usize,
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let (frozen, plain) = (model.valid(), device.clone().without_autodiff());
    let mut weights = Vec::new();
    for network in 0..noise.texts.prompts.len() {
        let text = noise.text(network, &plain)?;
        let mut all = Vec::new();
        for rows in noise.parts(micro_batch) {
            let rows = noise.rows(network, rows, text.clone(), &plain);
            all.extend(predict(&frozen, rows)?.1);
        }
        weights.push(all);
    }
    let (mean, slopes) = chain(noise, loss, weights, slope(model))?;
    let size = noise.dataset.layout().block_size();
    let mut total = None;
    for (network, slopes) in slopes.into_iter().enumerate() {
        let text = noise.text(network, device)?;
        for rows in noise.parts(micro_batch) {
            let slopes = slopes[rows.start * size..rows.end * size].to_vec();
            let output = noise
                .rows(network, rows, text.clone(), device)
                .through(model);
            let part = gradient(model, output, slopes, device);
            total = sum(total.into_iter().chain([part]));
        }
    }
    Ok((mean, total.ok_or(NO_TEXTS)?))
}

/// F of some rows, and the weights ŵ⁰ that it stands for.
fn predict(model: &UNet1d, rows: Rows) -> Result<(Tensor<2>, Vec<f32>), Error> {
    let config = model.config();
    let noisy = rows.noisy.clone().without_autodiff();
    let output = rows.through(model);
    let constant = output.clone().without_autodiff();
    let end = noise_end(model);
    let clean = (config.parameterization).recover(noisy, constant, end, &config.schedule);
    Ok((output, read("predicted weights", clean)?))
}

/// The gradient with respect to all weights of `model`, of a loss whose derivative with respect to `output` is `slopes`.
fn gradient(model: &UNet1d, output: Tensor<2>, slopes: Vec<f32>, device: &Device) -> Tensor<1> {
    let slopes = Tensor::from_data(TensorData::new(slopes, output.dims()), device);
    let mut gradients = (output * slopes).sum().backward();
    parameter_vector::gradients(model, &mut gradients)
}

fn sum(gradients: impl IntoIterator<Item = Tensor<1>>) -> Option<Tensor<1>> {
    gradients.into_iter().reduce(|sum, gradient| sum + gradient)
}

/// Runs `each` for every item, [`PER_CORE`] at a time for each core.
fn in_threads<I: Send, O: Send>(
    items: impl Iterator<Item = I>,
    each: impl Fn(I) -> Result<O, Error> + Sync,
) -> Result<Vec<O>, Error> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let limit = PER_CORE * cores;
    let (each, mut items, mut done) = (&each, items, Vec::new());
    loop {
        let group: Vec<I> = items.by_ref().take(limit).collect();
        if group.is_empty() {
            return Ok(done);
        }
        std::thread::scope(|scope| {
            let spawn = |item| scope.spawn(move || each(item));
            let threads: Vec<_> = group.into_iter().map(spawn).collect();
            for thread in threads {
                match thread.join() {
                    Ok(result) => done.push(result?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok::<_, Error>(())
        })?;
    }
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

    /// Blocks of a network.
    fn blocks(&self) -> usize {
        self.dataset.layout().blocks()
    }

    /// The blocks of a network, `micro_batch` at a time.
    fn parts(&self, micro_batch: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let blocks = self.blocks();
        (0..blocks)
            .step_by(micro_batch)
            .map(move |first| first..blocks.min(first + micro_batch))
    }

    /// The text of a network.
    fn text(&self, network: usize, device: &Device) -> Result<TextCondition, Error> {
        let prompt = [self.texts.prompts[network]];
        Ok(TextCondition::from_host(
            &prompt,
            self.dataset.text_width(),
            device,
        )?)
    }

    /// Some blocks of a network.
    fn rows(
        &self,
        network: usize,
        blocks: Range<usize>,
        text: TextCondition,
        device: &Device,
    ) -> Rows {
        let (count, size) = (blocks.len(), self.dataset.layout().block_size());
        let first = (network * self.blocks() + blocks.start) * size;
        let noisy = self.values[first..first + count * size].to_vec();
        let index: Vec<i64> = blocks.map(|n| n as i64).collect();
        Rows {
            noisy: Tensor::from_data(TensorData::new(noisy, [count, size]), device),
            n: Tensor::from_data(TensorData::new(index, [count]), device),
            text,
        }
    }
}

/// Derivative of ŵ⁰ with respect to the network's output F at the noise end, where one is linear in the other.
fn slope(model: &UNet1d) -> f32 {
    let config = model.config();
    (config.parameterization).slope(noise_end(model), &config.schedule) as f32
}

/// Mean loss of the predicted `weights` (normalised), and its derivative with respect to each network's output.
fn chain(
    noise: &Noise<'_>,
    loss: &mut dyn NetworkLoss,
    mut weights: Vec<Vec<f32>>,
    slope: f32,
) -> Result<(f64, Vec<Vec<f32>>), Error> {
    let normalizer = noise.dataset.normalizer();
    for weights in &mut weights {
        normalizer.denormalize(weights)?;
    }
    let step = noise.texts.step;
    let answers = loss
        .values_and_gradients(step, &noise.texts.numbers, &weights)
        .map_err(|source| Error::NetworkLoss { step, source })?;
    let count = weights.len();
    if answers.len() != count {
        return Err(Error::shape("network losses", count, answers.len()));
    }
    let mut mean = 0.0;
    let mut slopes = Vec::with_capacity(count);
    for ((value, mut gradient), weights) in answers.into_iter().zip(weights) {
        if gradient.len() != weights.len() {
            return Err(Error::shape(
                "gradient of the network loss",
                weights.len(),
                gradient.len(),
            ));
        }
        mean += value / count as f64;
        normalizer.scale_gradient(&mut gradient)?;
        for value in &mut gradient {
            *value = slope * *value / count as f32;
        }
        slopes.push(gradient);
    }
    Ok((mean, slopes))
}
