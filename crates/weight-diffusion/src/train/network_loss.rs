//! A loss on what a network with the predicted weights does, and its gradient.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::parameter_vector;
use crate::diffusion::noise::{fill_normal, stream};
use crate::diffusion::{Denoiser, SampleOptions, one_step};
use crate::readback::read;
use crate::{BlockDataset, BlockSource, Error, UNet1d};
use encoded_text::TextCondition;

/// The reason why a caller's function failed.
pub type LossError = Box<dyn std::error::Error + Send + Sync>;

/// A loss on all weights of one network together, for example on what the network does with them.
///
/// Weights that are close in L2 may behave quite differently, and the other way round. The paper trains on
/// the weights alone and reports that adding the GAN's loss did not help; this trait makes it possible to
/// try (`docs/decisions/0003-network-loss.md`).
pub trait NetworkLoss {
    /// Computes, for each of `texts` (numbers in the data set), the loss of its `weights` and the gradient
    /// with respect to them. Both are N·b values, encoded as by
    /// [`Layout::encode`](weight_blocks::Layout::encode) and not normalised. `step` counts from 1; random
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

/// The one-step predictions of the network without its dictionary for each text of `dataset`, at the noise
/// end: N·b normalised values each.
pub(super) fn predictions_without_dictionary(
    model: &UNet1d,
    dataset: &BlockDataset,
    device: &Device,
) -> Result<Vec<Vec<f32>>, Error> {
    let device = device.clone().without_autodiff();
    let network = model.valid().without_dictionary();
    let schedule = &network.config().schedule;
    let options = SampleOptions::noise_end(schedule);
    let blocks = dataset.layout().blocks();
    (dataset.texts().iter())
        .map(|text| {
            let condition = TextCondition::from_host(&[text], dataset.text_width(), &device)?;
            one_step(&network, &condition, blocks, schedule, &options)
        })
        .collect()
}

/// Mean loss of the one-step predictions for `count` texts that `seed` and `step` pick, and its gradient with
/// respect to the weights of `model`, which is zero outside the dictionary. `frozen` holds the
/// [`predictions_without_dictionary`].
pub(super) fn through_dictionary(
    model: &UNet1d,
    frozen: &[Vec<f32>],
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    (seed, step, count): (u64, u64, usize),
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let all = dataset.texts();
    let mut rng = stream(!seed, step);
    let numbers = pick(&mut rng, all.len(), count);
    let texts: Vec<_> = numbers.iter().map(|&i| &all[i]).collect();
    let condition = TextCondition::from_host(&texts, dataset.text_width(), device)?;
    let output = model
        .dictionary_output(&condition)
        .ok_or(Error::NoDictionary)?;
    let [count, len] = output.dims();
    // The dictionary's output is a part of F.
    let slope = slope(model);
    let added = read("predicted weights", output.clone().without_autodiff())?;
    let weights = (numbers.iter().zip(added.chunks(len)))
        .map(|(&number, added)| {
            let rest = frozen[number].iter();
            let mut weights: Vec<f32> = rest.zip(added).map(|(w, f)| w + slope * f).collect();
            dataset.normalizer().denormalize(&mut weights)?;
            Ok(weights)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let (mean, constants) = chain(dataset, loss, step, &numbers, &weights, slope)?;
    // The chain rule by hand: the gradient of the inner product with a constant is the constant.
    let constants = Tensor::from_data(TensorData::new(constants, [count, len]), device);
    let mut gradients = (output * constants).sum().backward();
    Ok((mean, parameter_vector::gradients(model, &mut gradients)))
}

/// Mean loss of the one-step predictions for `count` texts that `seed` and `step` pick, and its gradient with
/// respect to all weights of `model`. Rows go through the network `micro_batch` at a time, once for the
/// predictions and once more for the gradient, so that the graph of all N blocks is never in memory.
pub(super) fn through_network(
    model: &UNet1d,
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    (seed, step, count): (u64, u64, usize),
    micro_batch: usize,
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let mut rng = stream(!seed, step);
    let numbers = pick(&mut rng, dataset.texts().len(), count);
    let (blocks, size) = (dataset.layout().blocks(), dataset.layout().block_size());
    let mut noise = vec![0.0; numbers.len() * blocks * size];
    fill_normal(&mut rng, &mut noise);
    let pass = Pass {
        dataset,
        noise: &noise,
        micro_batch,
    };

    let plain = device.clone().without_autodiff();
    let network = model.valid();
    let schedule = &model.config().schedule;
    let end = schedule.steps() - 1;
    let mut weights = vec![Vec::with_capacity(blocks * size); numbers.len()];
    pass.run(&numbers, &plain, |network_number, _, rows| {
        let clean = network.recover(rows.noisy, end, rows.n, &rows.text, schedule);
        weights[network_number].extend(read("predicted weights", clean)?);
        Ok(())
    })?;
    for weights in &mut weights {
        dataset.normalizer().denormalize(weights)?;
    }
    let (mean, constants) = chain(dataset, loss, step, &numbers, &weights, slope(model))?;

    let mut sum: Option<Tensor<1>> = None;
    pass.run(&numbers, device, |_, part, rows| {
        let count = rows.noisy.dims()[0];
        let t = Tensor::full([count], end as i64, device);
        let output = model.forward(rows.noisy, t, rows.n, &rows.text);
        let constants = TensorData::new(constants[part].to_vec(), [count, size]);
        let constants = Tensor::from_data(constants, device);
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

/// All blocks of some networks, a few rows at a time.
struct Pass<'a> {
    dataset: &'a BlockDataset,
    noise: &'a [f32],
    micro_batch: usize,
}

/// Rows of one network on a device.
struct Rows {
    noisy: Tensor<2>,
    n: Tensor<1, Int>,
    text: TextCondition,
}

impl Pass<'_> {
    /// Calls `each` with the position in `numbers`, the range of the rows' values among those of all
    /// networks, and the rows.
    fn run(
        &self,
        numbers: &[usize],
        device: &Device,
        mut each: impl FnMut(usize, Range<usize>, Rows) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let layout = self.dataset.layout();
        let (blocks, size) = (layout.blocks(), layout.block_size());
        for (i, &number) in numbers.iter().enumerate() {
            let text = &self.dataset.texts()[number];
            let text = TextCondition::from_host(&[text], self.dataset.text_width(), device)?;
            for first in (0..blocks).step_by(self.micro_batch.max(1)) {
                let count = self.micro_batch.max(1).min(blocks - first);
                let at = (i * blocks + first) * size;
                let part = at..at + count * size;
                let index: Vec<i64> = (first..first + count).map(|n| n as i64).collect();
                let noisy = TensorData::new(self.noise[part.clone()].to_vec(), [count, size]);
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

/// The texts of a step. Callers draw from the negated seed, because batches draw from the seed itself.
fn pick(rng: &mut ChaCha8Rng, texts: usize, count: usize) -> Vec<usize> {
    sample(rng, texts, count.min(texts)).into_vec()
}

/// Derivative of ŵ⁰ with respect to the network's output F at the noise end, where one is linear in the other.
fn slope(model: &UNet1d) -> f32 {
    let schedule = &model.config().schedule;
    let parameterization = model.config().parameterization;
    parameterization.slope(schedule.steps() - 1, schedule) as f32
}

/// Mean loss of `weights` (not normalised), and its derivative with respect to the network's output.
fn chain(
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    step: u64,
    numbers: &[usize],
    weights: &[Vec<f32>],
    slope: f32,
) -> Result<(f64, Vec<f32>), Error> {
    let answers = loss
        .values_and_gradients(step, numbers, weights)
        .map_err(|source| Error::NetworkLoss { step, source })?;
    let count = numbers.len();
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
