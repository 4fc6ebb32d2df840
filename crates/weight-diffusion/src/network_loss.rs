//! A loss on what the predicted weights do, beside the loss on what they are.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::index::sample;

use crate::noise::stream;
use crate::{BlockDataset, Error, SampleOptions, TextCondition, UNet1d, flat, one_step};

/// Why a loss could not be taken.
pub type LossError = Box<dyn std::error::Error + Send + Sync>;

/// A loss on all weights of one network together: what the network does with them, say.
///
/// Weights that are near in L2 may do quite different things, and the other way round. The paper
/// trains on the weights alone and reports that adding the GAN's loss did not help it; this is the
/// hook with which it can be tried (`docs/decisions/0003-network-loss.md`).
pub trait NetworkLoss {
    /// For each of `texts` (numbers in the data set) the loss of its `weights` (the N·b values of
    /// [`Layout::encode`](weight_blocks::Layout::encode), not normalised) and the gradient by each
    /// of them. `step` counts from 1; what the loss draws at random should depend on it alone, so
    /// that a resumed run repeats.
    ///
    /// # Errors
    /// Whatever keeps it from being taken.
    fn values_and_gradients(
        &mut self,
        step: u64,
        texts: &[usize],
        weights: &[Vec<f32>],
    ) -> Result<Vec<(f64, Vec<f32>)>, LossError>;
}

/// What the network without its dictionary predicts for each text of `dataset` in one step at the
/// noise end: N·b normalised values.
pub(crate) fn resting_predictions(
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

/// Mean loss of the one-step predictions for `count` texts that `seed` and `step` pick, and its
/// gradient by the weights of `model`, of which only the dictionary's are not zero.
pub(crate) fn through_dictionary(
    model: &UNet1d,
    resting: &[Vec<f32>],
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    (seed, step, count): (u64, u64, usize),
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let all = dataset.texts();
    // The streams of the batches are those of `seed` itself.
    let mut rng = stream(!seed, step);
    let numbers = sample(&mut rng, all.len(), count.min(all.len())).into_vec();
    let texts: Vec<_> = numbers.iter().map(|&i| &all[i]).collect();
    let condition = TextCondition::from_host(&texts, dataset.text_width(), device)?;
    let output = model
        .dictionary_output(&condition)
        .ok_or_else(|| Error::config("dictionary", "the network has none to train"))?;
    let [count, len] = output.dims();
    // ŵ⁰ = α w^t − σ F, and the dictionary is a part of F.
    let schedule = &model.config().schedule;
    let sigma = schedule.sigma(schedule.steps() - 1) as f32;
    let added = crate::trainer::read("predicted weights", output.clone().without_autodiff())?;
    let weights = (numbers.iter().zip(added.chunks(len)))
        .map(|(&number, added)| {
            let rest = resting[number].iter();
            let mut weights: Vec<f32> = rest.zip(added).map(|(w, f)| w - sigma * f).collect();
            dataset.normalizer().denormalize(&mut weights)?;
            Ok(weights)
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let answers = loss
        .values_and_gradients(step, &numbers, &weights)
        .map_err(|source| Error::NetworkLoss { step, source })?;
    if answers.len() != count {
        return Err(Error::shape("network losses", count, answers.len()));
    }
    let mut mean = 0.0;
    let mut constants = Vec::with_capacity(count * len);
    for (value, mut gradient) in answers {
        if gradient.len() != len {
            return Err(Error::shape(
                "gradient of the network loss",
                len,
                gradient.len(),
            ));
        }
        mean += value / count as f64;
        dataset.normalizer().scale_gradient(&mut gradient)?;
        constants.extend(gradient.iter().map(|g| -sigma * g / count as f32));
    }
    // The chain rule by hand: the inner product with a constant has it as its gradient.
    let constants = Tensor::from_data(TensorData::new(constants, [count, len]), device);
    let mut gradients = (output * constants).sum().backward();
    Ok((mean, flat::gradients(model, &mut gradients)))
}
