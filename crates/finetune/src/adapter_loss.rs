//! How well given adapter weights edit photos as a concept asks, and in which direction they should move.

use std::fmt;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use encoded_text::TextCondition;
use lora_gan::{HybridGenerator, Pass, PatchGan, l1_loss};
use weight_blocks::{NamedTensors, WeightSpace};

use crate::adversary::Adversary;
use crate::divergence::{Suspects, check_finite};
use crate::{Error, PairSet, Recipe};

/// Eq. 4 as a function of the adapter alone, with its gradient: the loss for training a network that *makes* adapters.
/// Either its L1 term alone, or both terms with a discriminator that learns at the same time.
///
/// ```
/// use burn::tensor::Device;
/// use finetune::{AdapterLoss, PairSet};
/// use image::{Rgb, RgbImage};
/// use lora_gan::{GeneratorConfig, HybridGenerator};
/// use weight_blocks::WeightSpace;
///
/// let device = Device::default();
/// let base = HybridGenerator::new(&GeneratorConfig::compact(), 0, &device)?;
/// let photo = RgbImage::from_pixel(64, 64, Rgb([200, 120, 40]));
/// let pairs = PairSet::new(&[(photo.clone(), photo)], 64, &device)?;
///
/// let mut loss = AdapterLoss::new(&base);
/// let (value, gradient) = loss.value_and_gradient(&base.read_weights()?, None, &pairs)?;
/// assert!(value > 0.0);
/// assert_eq!(gradient.len(), base.read_weights()?.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdapterLoss {
    generator: HybridGenerator,
    adversary: Option<(Adversary<PatchGan>, Recipe)>,
    /// Steps of the discriminator.
    steps: usize,
}

/// Without the networks.
impl fmt::Debug for AdapterLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recipe = self.adversary.as_ref().map(|(_, recipe)| recipe);
        f.debug_struct("AdapterLoss")
            .field("recipe", &recipe)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl AdapterLoss {
    /// The L1 term on a copy of the frozen `base`, which is on a plain device.
    pub fn new(base: &HybridGenerator) -> Self {
        Self {
            generator: base.clone().train().train_adapter(),
            adversary: None,
            steps: 0,
        }
    }

    /// λ·L1 + conditional GAN as `recipe` weighs them. Each call also takes one step of the
    /// discriminator, on the same pairs, with the recipe's warm-up and penalties; there are no epochs,
    /// so its rate does not decay. `device` is the plain device that `base` is on.
    ///
    /// # Errors
    /// Returns [`Error::Recipe`] if the recipe cannot train anything.
    pub fn with_discriminator(
        base: &HybridGenerator,
        recipe: Recipe,
        device: &Device,
    ) -> Result<Self, Error> {
        recipe.validate()?;
        let device = device.clone().autodiff();
        let discriminator = PatchGan::new(&recipe.discriminator, recipe.seed, &device)?;
        Ok(Self {
            adversary: Some((Adversary::new(discriminator), recipe)),
            ..Self::new(base)
        })
    }

    /// The loss of the edits that `weights` do on `pairs`, and its gradient with respect to every adapter weight. `text`
    /// is the prompt that the generator reads (one on the plain device for all pairs), if it reads one.
    /// Without a discriminator it is the mean absolute difference between edited photos and targets,
    /// in units of the −1..1 range.
    ///
    /// # Errors
    /// Returns [`Error::NoPairs`], [`Error::Weights`] if the weights do not fit the base, [`Error::Network`] if it does
    /// not take the photos, and [`Error::NotFinite`] if the discriminator diverged.
    pub fn value_and_gradient(
        &mut self,
        weights: &NamedTensors,
        text: Option<&TextCondition>,
        pairs: &PairSet,
    ) -> Result<(f64, NamedTensors), Error> {
        if pairs.is_empty() {
            return Err(Error::NoPairs {
                what: "training",
                needed: 1,
            });
        }
        self.generator.load_weights(weights)?;
        let PairSet { photos, targets } = pairs.clone().autodiff();
        let text = text.map(|text| TextCondition {
            tokens: Tensor::from_inner(text.tokens.clone()),
            mask: Tensor::from_inner(text.mask.clone()),
        });
        let edited = (self.generator).forward(photos.clone(), text.as_ref(), Pass::Eval)?;
        let mut loss = l1_loss(edited.clone(), targets.clone());
        if let Some((adversary, recipe)) = &mut self.adversary {
            self.steps += 1;
            let steps = self.steps;
            let check = |value| check_finite(recipe, 0, steps, "discriminator", value);
            let lr = recipe.lr_discriminator * recipe.warm_up(steps);
            let detached = edited.clone().detach();
            let done = adversary.step(
                recipe,
                (lr, steps),
                &photos,
                targets.clone(),
                detached,
                check,
            );
            if let Err(error) = done {
                let suspects = Suspects::default()
                    .images("photo", &photos)
                    .images("target", &targets)
                    .network("generator", &self.generator)?
                    .network("discriminator", &adversary.discriminator)?;
                return Err(suspects.accuse(error));
            }
            let gan = adversary.judge(recipe, photos, edited)?;
            loss = loss.mul_scalar(recipe.lambda_l1) + gan.mul_scalar(recipe.gan_weight);
        }
        let value = loss.clone().detach().into_scalar::<f32>();
        let mut gradients = loss.backward();
        let gradient = self.generator.adapter_gradients(&mut gradients)?;
        Ok((f64::from(value), gradient))
    }
}
