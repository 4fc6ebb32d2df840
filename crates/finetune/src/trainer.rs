//! The GAN training loop of one concept.

use std::fmt;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use lora_gan::{HybridGenerator, Pass, PatchGan, l1_loss};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use weight_blocks::{NamedTensors, WeightSpace};

use crate::adam::Adam;
use crate::adversary::{Adversary, pix2pix_adam};
use crate::divergence::{Suspects, check_finite};
use crate::{Error, ImageTranslator, PairDiscriminator, PairSet, Recipe};

/// Seed of a step's noise: that of the run, mixed with the step's number (SplitMix64's constant).
pub(crate) fn noise_seed(seed: u64, step: usize) -> u64 {
    seed ^ (step as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Losses of one epoch, each the mean over its steps: the pairs of a smaller last batch count for more than the others.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochLosses {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean absolute difference to the targets, in units of the −1..1 range.
    pub l1: f64,
    /// The generator's GAN loss.
    pub gan: f64,
    /// The discriminator's loss.
    pub discriminator: f64,
}

/// Trains an image translator against a discriminator (Eq. 4) on the pairs of one concept.
///
/// Two uses: [`ConceptTrainer`] trains the adapter of a frozen base; [`GanTrainer::from_scratch`]
/// trains a whole network, as pix2pix does.
///
/// `train_seconds` is the time inside [`GanTrainer::epoch`] alone, so that measuring between
/// epochs does not count.
pub struct GanTrainer<G, D> {
    pub(crate) generator: G,
    pub(crate) adam: Adam,
    pub(crate) adversary: Adversary<D>,
    pub(crate) recipe: Recipe,
    pub(crate) epoch: usize,
    pub(crate) steps: usize,
    /// From an epoch's first step to its end; it stays if an error ends the epoch.
    pub(crate) in_epoch: bool,
    pub(crate) spent: Duration,
    pub(crate) history: Vec<EpochLosses>,
}

/// Without the networks.
impl<G, D> fmt::Debug for GanTrainer<G, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GanTrainer")
            .field("recipe", &self.recipe)
            .field("epoch", &self.epoch)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// Trains the adapter of one concept, and its discriminator; the base stays frozen.
pub type ConceptTrainer = GanTrainer<HybridGenerator, PatchGan>;

impl ConceptTrainer {
    /// A trainer that starts from `start` on a copy of the frozen `base`.
    ///
    /// `device` is the plain device; the trainer adds autodiff.
    ///
    /// # Errors
    /// Returns [`Error::Recipe`], or [`Error::Weights`] if the weights do not fit the base.
    pub fn new(
        base: &HybridGenerator,
        start: &NamedTensors,
        recipe: Recipe,
        device: &Device,
    ) -> Result<Self, Error> {
        recipe.validate()?;
        let mut generator = base.clone();
        generator.load_weights(start)?;
        let autodiff = device.clone().autodiff();
        let discriminator = PatchGan::new(&recipe.discriminator, recipe.seed, &autodiff)?;
        let generator = generator.train().train_adapter();
        Ok(Self::of(generator, discriminator, recipe))
    }

    /// The adapter as it stands.
    ///
    /// # Errors
    /// Returns [`Error::Weights`] if the values cannot be read back from the device.
    pub fn adapter(&self) -> Result<NamedTensors, Error> {
        Ok(self.generator.read_weights()?)
    }
}

impl<G: ImageTranslator + Module, D: PairDiscriminator + Module> GanTrainer<G, D> {
    /// A trainer of all weights of `generator` and `discriminator`.
    ///
    /// Both are on the same plain device; the trainer adds autodiff.
    ///
    /// # Errors
    /// Returns [`Error::Recipe`] if the recipe cannot train anything.
    pub fn from_scratch(generator: G, discriminator: D, recipe: Recipe) -> Result<Self, Error> {
        recipe.validate()?;
        Ok(Self::of(generator.train(), discriminator.train(), recipe))
    }

    fn of(generator: G, discriminator: D, recipe: Recipe) -> Self {
        Self {
            generator,
            adam: pix2pix_adam(),
            adversary: Adversary::new(discriminator),
            recipe,
            epoch: 0,
            steps: 0,
            in_epoch: false,
            spent: Duration::ZERO,
            history: Vec::new(),
        }
    }

    /// Epochs done.
    pub fn epochs_done(&self) -> usize {
        self.epoch
    }

    /// Seconds spent training, measuring excluded.
    pub fn train_seconds(&self) -> f64 {
        self.spent.as_secs_f64()
    }

    /// Losses of every epoch so far, those before a resume included.
    pub fn history(&self) -> &[EpochLosses] {
        &self.history
    }

    /// The generator without gradients, for measuring and drawing.
    pub fn generator(&self) -> G {
        self.generator.valid()
    }

    /// One pass over the training pairs, in an order that the seed and the epoch's number fix.
    ///
    /// # Errors
    /// Returns [`Error::NoPairs`], or [`Error::NotFinite`] as soon as a loss is NaN or infinite, or
    /// [`Error::NotFiniteWeights`] after the last step. After an error within an epoch, the trainer holds half an epoch:
    /// it can still be read, but further epochs and [`GanTrainer::save_state`] return [`Error::UnfinishedEpoch`] until
    /// [`GanTrainer::resumed`] has replaced it by a saved state.
    pub fn epoch(&mut self, pairs: &PairSet) -> Result<EpochLosses, Error> {
        self.epoch_observed(pairs, |_, _, _| Ok(()))
    }

    /// [`GanTrainer::epoch`] that calls `observe` after each step, with the steps of this epoch
    /// done and to do; its time does not count.
    ///
    /// # Errors
    /// As [`GanTrainer::epoch`], or the error of `observe`.
    pub fn epoch_observed<E: From<Error>>(
        &mut self,
        pairs: &PairSet,
        mut observe: impl FnMut(&Self, usize, usize) -> Result<(), E>,
    ) -> Result<EpochLosses, E> {
        let mut started = Instant::now();
        self.check_between_epochs()?;
        if pairs.is_empty() {
            return Err(Error::NoPairs {
                what: "training",
                needed: 1,
            }
            .into());
        }
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        rng.set_stream(self.epoch as u64 + 1);
        order.shuffle(&mut rng);
        let mut sums = [0.0f64; 3];
        let total = order.len().div_ceil(self.recipe.batch_size);
        self.in_epoch = true;
        for (i, batch) in order.chunks(self.recipe.batch_size).enumerate() {
            let PairSet { photos, targets } = pairs.select(batch).autodiff();
            let losses = self.step(photos, targets)?;
            for (sum, loss) in sums.iter_mut().zip(losses) {
                *sum += f64::from(loss);
            }
            self.spent += started.elapsed();
            observe(self, i + 1, total)?;
            started = Instant::now();
        }
        self.check_weights(self.epoch + 1)?;
        self.epoch += 1;
        self.in_epoch = false;
        self.spent += started.elapsed();
        let mean = |sum: f64| sum / total as f64;
        let losses = EpochLosses {
            epoch: self.epoch,
            l1: mean(sums[0]),
            gan: mean(sums[1]),
            discriminator: mean(sums[2]),
        };
        self.history.push(losses);
        Ok(losses)
    }

    /// Returns [`Error::UnfinishedEpoch`] if the weights are those of half an epoch.
    pub(crate) fn check_between_epochs(&self) -> Result<(), Error> {
        if !self.in_epoch {
            return Ok(());
        }
        Err(Error::UnfinishedEpoch {
            epoch: self.epoch + 1,
            step: self.steps,
        })
    }

    /// Returns [`Error::NotFiniteWeights`] if a weight is NaN or infinite.
    pub(crate) fn check_weights(&self, epoch: usize) -> Result<(), Error> {
        match self.networks()?.broken() {
            None => Ok(()),
            Some((layer, found)) => Err(Error::NotFiniteWeights {
                epoch,
                step: self.steps,
                layer: layer.to_owned(),
                found,
            }),
        }
    }

    fn networks(&self) -> Result<Suspects, Error> {
        self.with_networks(Suspects::default())
    }

    fn with_networks(&self, others: Suspects) -> Result<Suspects, Error> {
        (others.network("generator", &self.generator)?)
            .network("discriminator", &self.adversary.discriminator)
    }

    fn step(&mut self, photo: Tensor<4>, target: Tensor<4>) -> Result<[f32; 3], Error> {
        let result = self.unchecked_step(photo.clone(), target.clone());
        result.map_err(|error| match error {
            Error::NotFinite { .. } => {
                let images = Suspects::default()
                    .images("photo", &photo)
                    .images("target", &target);
                match self.with_networks(images) {
                    Ok(suspects) => suspects.accuse(error),
                    Err(_) => error,
                }
            }
            other => other,
        })
    }

    /// D on a detached fake, then G through the frozen D; gives (L1, GAN, D) losses.
    fn unchecked_step(&mut self, photo: Tensor<4>, target: Tensor<4>) -> Result<[f32; 3], Error> {
        self.steps += 1;
        let factor = self.recipe.lr_factor(self.epoch, self.steps);
        let pass = Pass::Train {
            seed: noise_seed(self.recipe.seed, self.steps),
        };
        let fake = self.generator.translate(photo.clone(), pass)?;
        let l1 = l1_loss(fake.clone(), target.clone());
        let l1_value = l1.clone().detach().into_scalar::<f32>();
        let mut loss = l1.mul_scalar(self.recipe.lambda_l1);
        let mut values = [l1_value, 0.0, 0.0];
        if self.recipe.gan_weight > 0.0 {
            let lr = self.recipe.lr_discriminator * factor;
            let detached = fake.clone().detach();
            let (recipe, epoch, steps) = (&self.recipe, self.epoch + 1, self.steps);
            let check = |value| check_finite(recipe, epoch, steps, "discriminator", value);
            values[2] =
                (self.adversary).step(recipe, (lr, steps), &photo, target, detached, check)?;
            let gan = self.adversary.judge(recipe, photo, fake)?;
            values[1] = gan.clone().detach().into_scalar::<f32>();
            loss = loss + gan.mul_scalar(self.recipe.gan_weight);
        }
        let sum = values[0] + values[1];
        check_finite(&self.recipe, self.epoch + 1, self.steps, "generator", sum)?;
        let lr = self.recipe.lr_generator * factor;
        let generator = self.generator.clone();
        self.generator = self.adam.step(lr, generator, &mut loss.backward());
        Ok(values)
    }
}
