//! A trainer: an optimizer and what it minimises.

use std::fmt;

use burn::module::Module;
use burn::tensor::Device;

use super::early_stop::BestWeights;
use super::optimizer::Optimizer;
use super::{TrainConfig, parameter_vector};
use crate::data::{BlockSource, DatasetSpec};
use crate::{Error, UNet1d, UNet1dConfig};

/// Trains a [`UNet1d`] with AdamW, a warm-up, gradient clipping and a moving average of the weights.
///
/// The objective `O` decides which steps it takes:
///
/// | trainer | one step minimises |
/// | --- | --- |
/// | [`BlockTrainer`](super::BlockTrainer) | the paper's loss on blocks (Eq. 1) |
/// | [`NetworkTrainer`](super::NetworkTrainer) | a [`NetworkLoss`](super::NetworkLoss), by all weights |
/// | [`CombinedTrainer`](super::CombinedTrainer) | the sum of both, by all weights |
///
/// The kinds of steps do not mix: AdamW's moments of one loss are not those of another. To train a network in another way, hand it to a new trainer with [`Trainer::from_model`].
///
/// ```compile_fail
/// # use weight_diffusion::{BlockDataset, BlockTrainer, NetworkLoss};
/// fn step(trainer: &mut BlockTrainer, data: &BlockDataset, loss: &mut dyn NetworkLoss) {
///     trainer.step(data, &[], loss); // a step of `NetworkTrainer`
/// }
/// ```
///
/// Batches, noise and timesteps depend only on [`TrainConfig::seed`] and the number of the step, so a run
/// that is saved and resumed takes the same steps as an uninterrupted one, bit for bit on the same device.
pub struct Trainer<O> {
    pub(super) optimizer: Optimizer,
    pub(super) data: DatasetSpec,
    pub(super) best: Option<BestWeights>,
    pub(super) objective: O,
}

/// Without the network.
impl<O: Objective> fmt::Debug for Trainer<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("config", &self.config())
            .field("steps_done", &self.steps_done())
            .finish_non_exhaustive()
    }
}

/// What a [`Trainer`] minimises: [`Blocks`](super::Blocks), [`Networks`](super::Networks) or
/// [`Combined`](super::Combined).
pub trait Objective: sealed::Objective {}

pub(super) mod sealed {
    use serde::{Deserialize, Serialize};

    pub trait Objective: Default {
        const KIND: Kind;
    }

    /// The objective's name in a saved state.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Kind {
        Blocks,
        Combined,
        Networks,
    }

    impl Kind {
        /// Name of the trainer with this objective.
        pub(crate) fn trainer(self) -> &'static str {
            match self {
                Self::Blocks => "BlockTrainer",
                Self::Combined => "CombinedTrainer",
                Self::Networks => "NetworkTrainer",
            }
        }
    }
}

impl<O: sealed::Objective> Objective for O {}

impl<O: Objective> Trainer<O> {
    /// Creates a network with initial values from `seed`, ready for the first step on a data set described
    /// by `data`. `device` need not be an autodiff device.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if a setting is invalid, or if `unet` and `data` differ in block size,
    /// number of blocks or text width.
    pub fn new(
        config: TrainConfig,
        unet: &UNet1dConfig,
        data: DatasetSpec,
        seed: u64,
        device: &Device,
    ) -> Result<Self, Error> {
        config.validate()?;
        let same = |field, unet: usize, data: usize| {
            if unet == data {
                return Ok(());
            }
            Err(Error::config(
                field,
                unet,
                format!("the data set's, {data}"),
            ))
        };
        same("block_size", unet.block_size, data.block_size)?;
        same("context_width", unet.context_width, data.text_width)?;
        unet.check_blocks(data.blocks, "the data set's")?;
        let device = device.clone().autodiff();
        let model = UNet1d::new(unet, seed, &device)?;
        Ok(Self {
            optimizer: Optimizer::new(config, model, device),
            data,
            best: None,
            objective: O::default(),
        })
    }

    /// Continues from the weights of a trained `model`, with a new optimizer.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn from_model(
        config: TrainConfig,
        model: &UNet1d,
        data: DatasetSpec,
        device: &Device,
    ) -> Result<Self, Error> {
        let mut trainer = Self::new(config, model.config(), data, 0, device)?;
        let optimizer = &mut trainer.optimizer;
        let weights = parameter_vector::parameters(&model.valid());
        let weights = weights.to_device(&optimizer.weights.device());
        optimizer.average = weights.clone();
        optimizer.set_weights(weights);
        Ok(trainer)
    }

    /// Number of steps taken so far.
    pub fn steps_done(&self) -> u64 {
        self.optimizer.step
    }

    /// Whether [`TrainConfig::steps`] are done or early stopping has ended the training
    /// ([`BlockTrainer::watch`](super::BlockTrainer::watch)).
    pub fn is_finished(&self) -> bool {
        let config = self.config();
        let stops = (self.best.as_ref().zip(config.early_stop))
            .is_some_and(|(best, stop)| best.state.stops(stop));
        self.steps_done() >= config.steps || stops
    }

    /// How the network is trained.
    pub fn config(&self) -> &TrainConfig {
        &self.optimizer.config
    }

    /// Shape of the network.
    pub fn unet_config(&self) -> &UNet1dConfig {
        self.optimizer.model.config()
    }

    /// A network with the averaged weights, without autodiff: the one to sample with.
    pub fn ema_model(&self) -> UNet1d {
        self.optimizer.ema_model()
    }

    /// A network with the current weights, without autodiff.
    pub fn model(&self) -> UNet1d {
        self.optimizer.model.valid()
    }
}

/// Checks that a trainer for `expected` can take a step on `source`, or be evaluated on it.
///
/// # Errors
/// As [`check_layout`].
pub(super) fn check_source(expected: &DatasetSpec, source: &dyn BlockSource) -> Result<(), Error> {
    let (layout, text_width) = (source.layout(), source.text_width());
    check_layout(expected, (layout.name(), &layout.digest(), text_width))
}

/// Checks the name and digest of a layout and the width of text tokens.
///
/// # Errors
/// Returns [`Error::Layout`] or [`Error::Shape`] if the layouts or the widths differ.
pub(super) fn check_layout(
    expected: &DatasetSpec,
    (layout, digest, text_width): (&str, &str, usize),
) -> Result<(), Error> {
    if expected.layout_digest != digest {
        return Err(Error::layout(
            (&expected.layout, &expected.layout_digest),
            (layout, digest),
        ));
    }
    if expected.text_width != text_width {
        return Err(Error::shape(
            "text token width",
            expected.text_width,
            text_width,
        ));
    }
    Ok(())
}
