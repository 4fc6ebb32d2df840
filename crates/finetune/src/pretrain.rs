//! Pretraining of the base that every concept shares.

use std::fmt;

use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use encoded_text::TextCondition;
use lora_gan::{HybridGenerator, Pass, l1_loss};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::adam::Adam;
use crate::divergence::Suspects;
use crate::trainer::noise_seed;
use crate::{Error, PairSet};

/// Hyper-parameters of the base's pretraining.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// Optimizer steps, at least 2: the first has the learning rate 0.
    pub steps: usize,
    /// Photos per step, each of a concept drawn for it by whoever makes the [`PretrainBatch`]: batch norm's statistics are
    /// then those of all concepts together, and the running ones hold for each of them.
    pub batch_size: usize,
    /// Adam's peak learning rate, warmed up over the first 2 % of the steps and decayed by a cosine to 1 % of it: step k
    /// (from 0) of n has `lr · min(k / (0.02 n), 1) · max(½ (1 + cos(π k / n)), 0.01)`. The first step has 0, and only
    /// moves the batch norms' running statistics; steps past the last one have the final 1 %.
    pub lr: f64,
    /// Share of the samples without text, whose target is the photo itself. "No text" thus means "leave the photo as it
    /// is", which is what a zero adapter does.
    pub identity: f64,
    /// Edge of the squares that are cut out of photos and targets at random by whoever makes the [`PretrainBatch`]; whole
    /// images if `None`.
    #[serde(default)]
    pub crop: Option<usize>,
    /// Digest of the base whose weights the training starts from, if it does not start from random ones.
    #[serde(default)]
    pub start: Option<String>,
    /// Seed of the order and of each step's noise.
    pub seed: u64,
}

impl PretrainConfig {
    /// For the 64×64 generator.
    pub fn compact() -> Self {
        Self {
            steps: 2400,
            batch_size: 16,
            lr: 2e-3,
            identity: 0.25,
            crop: None,
            start: None,
            seed: 0,
        }
    }
}

/// The samples of one step, each with the text of its own concept.
pub struct PretrainBatch {
    /// Photos and edited photos.
    pub pairs: PairSet,
    /// Their prompts, `[B, L, C]`, or one for all of them, `[1, L, C]`.
    pub text: TextCondition,
}

/// Without the images and the tokens.
impl fmt::Debug for PretrainBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PretrainBatch")
            .field("pairs", &self.pairs.len())
            .finish_non_exhaustive()
    }
}

/// Trains base weights on several concepts at once, with the prompt given through cross-attention
/// (E²GAN, §3.2: one base for many concepts), with L1.
pub struct Pretrainer {
    pub(crate) generator: HybridGenerator,
    pub(crate) adam: Adam,
    pub(crate) config: PretrainConfig,
    device: Device,
    pub(crate) step: usize,
}

/// Without the network.
impl fmt::Debug for Pretrainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pretrainer")
            .field("config", &self.config)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Pretrainer {
    /// Starts from `generator`; `device` is the plain device.
    ///
    /// # Errors
    /// Returns [`Error::Recipe`] if the configuration cannot train anything.
    pub fn new(
        generator: HybridGenerator,
        config: PretrainConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        for (field, value, least, requirement) in [
            (
                "steps",
                config.steps,
                2,
                "at least 2, as the first has the learning rate 0",
            ),
            ("batch_size", config.batch_size, 1, "at least 1"),
        ] {
            if value < least {
                return Err(Error::Recipe {
                    field,
                    value: value as f64,
                    requirement,
                });
            }
        }
        if !(config.lr.is_finite() && config.lr > 0.0) {
            return Err(Error::Recipe {
                field: "lr",
                value: config.lr,
                requirement: "a positive number",
            });
        }
        if !(0.0..=1.0).contains(&config.identity) {
            return Err(Error::Recipe {
                field: "identity",
                value: config.identity,
                requirement: "between 0 and 1",
            });
        }
        Ok(Self {
            generator: generator.train().train_base(),
            adam: Adam::new(0.9),
            config,
            device: device.clone().autodiff(),
            step: 0,
        })
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// The base without gradients.
    pub fn generator(&self) -> HybridGenerator {
        self.generator.valid()
    }

    /// One step on `batch`; the seed and the step's number pick the samples without text. Gives the L1 loss.
    ///
    /// # Errors
    /// Returns [`Error::NoPairs`] for an empty batch, [`Error::NotFinite`] for a NaN or infinite loss, and
    /// [`Error::Network`] for photos or texts that the generator does not take, or targets of another shape than the
    /// photos.
    pub fn step(&mut self, batch: &PretrainBatch) -> Result<f32, Error> {
        let samples = batch.pairs.len();
        if samples == 0 {
            return Err(Error::NoPairs {
                what: "pretraining",
                needed: 1,
            });
        }
        self.check(batch)?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(self.step as u64 + 1);
        let without_text: Vec<bool> = (0..samples)
            .map(|_| rng.random::<f64>() < self.config.identity)
            .collect();
        let PairSet { photos, targets } = batch.pairs.clone().autodiff();
        let target = self.select(&without_text, photos.clone(), targets);
        let tokens = Tensor::from_inner(batch.text.tokens.clone());
        let mask = Tensor::from_inner(batch.text.mask.clone());
        let context = self.context(tokens, mask, &without_text);
        let pass = Pass::Train {
            seed: noise_seed(self.config.seed, self.step + 1),
        };
        let edited = (self.generator).forward_base(photos.clone(), Some(&context), pass)?;
        let loss = l1_loss(edited, target.clone());
        let value = loss.clone().detach().into_scalar::<f32>();
        let lr = self.learning_rate();
        if !value.is_finite() {
            let suspects = Suspects::default()
                .images("photo", &photos)
                .images("target", &target)
                .network("base", &self.generator)?;
            return Err(suspects.accuse(Error::NotFinite {
                epoch: 0,
                step: self.step + 1,
                which: "base",
                value,
                layer: String::new(),
                found: value,
                learning_rate: lr,
            }));
        }
        let generator = self.generator.clone();
        self.generator = self.adam.step(lr, generator, &mut loss.backward());
        self.step += 1;
        Ok(value)
    }

    /// Checks that photos, targets and texts fit the network and one another.
    fn check(&self, batch: &PretrainBatch) -> Result<(), Error> {
        let PairSet { photos, targets } = &batch.pairs;
        self.generator.check_input(photos, Some(&batch.text))?;
        if targets.dims() == photos.dims() {
            return Ok(());
        }
        Err(Error::Network(lora_gan::Error::Input {
            what: "targets",
            expected: format!("{:?}, like the photos", photos.dims()),
            found: targets.dims().to_vec(),
        }))
    }

    /// `yes` for the samples that are marked, `no` for the others.
    fn select(&self, marks: &[bool], yes: Tensor<4>, no: Tensor<4>) -> Tensor<4> {
        let shape = [marks.len(), 1, 1, 1];
        let marks =
            Tensor::<4, Bool>::from_data(TensorData::new(marks.to_vec(), shape), &self.device);
        no.mask_where(marks.expand(yes.dims()), yes)
    }

    /// The text beside the null tokens, of which each sample sees one or the other.
    fn context(
        &self,
        tokens: Tensor<3>,
        mask: Tensor<2, Bool>,
        without_text: &[bool],
    ) -> TextCondition {
        let [_, length, width] = tokens.dims();
        let batch = without_text.len();
        let tokens = tokens.expand([batch, length, width]);
        let no_text = Tensor::<2, Bool>::from_data(
            TensorData::new(without_text.to_vec(), [batch, 1]),
            &mask.device(),
        );
        let mask = mask
            .expand([batch, length])
            .bool_and(no_text.clone().bool_not().expand([batch, length]));
        let null = match &self.generator.null_context {
            Some(null) => null.val().unsqueeze(),
            None => Tensor::zeros([1, 1, width], &tokens.device()),
        };
        let [_, nulls, _] = null.dims();
        TextCondition {
            tokens: Tensor::cat(vec![tokens, null.expand([batch, nulls, width])], 1),
            mask: Tensor::cat(vec![mask, no_text.expand([batch, nulls])], 1),
        }
    }

    /// That of the next step, as [`PretrainConfig::lr`] says.
    fn learning_rate(&self) -> f64 {
        let progress = self.step as f64 / self.config.steps as f64;
        let warm = (progress / 0.02).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos());
        self.config.lr * warm * cosine.max(0.01)
    }
}
