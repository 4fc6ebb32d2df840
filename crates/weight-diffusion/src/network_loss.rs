//! A loss on what the predicted weights do, beside the loss on what they are.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt;
use weight_blocks::Normalizer;

use crate::noise::{fill_normal, stream};
use crate::trainer::read;
use crate::{BlockDataset, Denoiser, Error, TextCondition, UNet1d, flat};

/// Why a loss could not be taken.
pub type LossError = Box<dyn std::error::Error + Send + Sync>;

/// A loss on all weights of one network together: what the network does with them, say.
///
/// Weights that are near in L2 may do quite different things and the other way round. The paper
/// trains on the weights alone and reports that adding the GAN's loss did not help it; this is the
/// hook with which that can be tried (`docs/decisions/0003-network-loss.md`).
pub trait NetworkLoss {
    /// The loss of `weights` (the N·b values of
    /// [`Layout::encode`](weight_blocks::Layout::encode), not normalised) for text number `text` of
    /// the data set, and its gradient by each of them. `step` counts from 1; what the loss draws at
    /// random should depend on it alone, so that a resumed run repeats.
    ///
    /// # Errors
    /// Whatever keeps it from being taken.
    fn value_and_gradient(
        &mut self,
        step: u64,
        text: usize,
        weights: &[f32],
    ) -> Result<(f64, Vec<f32>), LossError>;
}

/// Loss and gradient by the UNet's weights of its one-step prediction at the noise end for a text
/// that `seed` and `step` pick.
pub(crate) fn through_one_step(
    model: &UNet1d,
    dataset: &BlockDataset,
    loss: &mut dyn NetworkLoss,
    (seed, step): (u64, u64),
    micro_batch: usize,
    device: &Device,
) -> Result<(f64, Tensor<1>), Error> {
    let layout = dataset.layout();
    let (blocks, size) = (layout.blocks(), layout.block_size());
    let schedule = &model.config().schedule;
    let t = schedule.steps() - 1;
    // Streams of the batches are those of `seed` itself.
    let mut rng = stream(!seed, step);
    let number = rng.random_range(0..dataset.texts().len());
    let text = &dataset.texts()[number];
    let condition = TextCondition::from_host(&[text], dataset.text_width(), device)?;
    let mut noise = vec![0.0f32; blocks * size];
    fill_normal(&mut rng, &mut noise);

    let mut parts = Vec::new();
    let mut weights = Vec::with_capacity(blocks * size);
    for first in (0..blocks).step_by(micro_batch) {
        let rows = micro_batch.min(blocks - first);
        let values = noise[first * size..(first + rows) * size].to_vec();
        let index: Vec<i64> = (first..first + rows).map(|n| n as i64).collect();
        let recovered = model.recover(
            Tensor::from_data(TensorData::new(values, [rows, size]), device),
            t,
            Tensor::<1, Int>::from_data(TensorData::new(index, [rows]), device),
            &condition,
            schedule,
        );
        weights.extend(read(
            "predicted weights",
            recovered.clone().without_autodiff(),
        )?);
        parts.push(recovered);
    }
    let normalizer: &Normalizer = dataset.normalizer();
    normalizer.denormalize(&mut weights)?;
    let (value, mut gradient) = loss
        .value_and_gradient(step, number, &weights)
        .map_err(|source| Error::NetworkLoss { step, source })?;
    if gradient.len() != weights.len() {
        return Err(Error::shape(
            "gradient of the network loss",
            weights.len(),
            gradient.len(),
        ));
    }
    normalizer.scale_gradient(&mut gradient)?;

    // The chain rule by hand: the inner product with a constant has it as its gradient.
    let mut sum: Option<Tensor<1>> = None;
    for (part, values) in parts.into_iter().zip(gradient.chunks(micro_batch * size)) {
        let constant = TensorData::new(values.to_vec(), part.dims());
        let product = part * Tensor::from_data(constant, device);
        let mut gradients = product.sum().backward();
        let own = flat::gradients(model, &mut gradients);
        sum = Some(match sum {
            None => own,
            Some(sum) => sum + own,
        });
    }
    let sum = sum.ok_or(Error::EmptyDataset {
        why: "the layout has no blocks",
    })?;
    Ok((value, sum))
}
