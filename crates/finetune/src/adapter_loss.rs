//! How well given adapter weights do a concept's edit, and which way they should move.

use burn::module::Module;
use burn::tensor::Device;
use lora_gan::{HybridGenerator, Mode, l1_loss};
use weight_blocks::{NamedTensors, WeightSpace};

use crate::{Error, PairSet};

/// The L1 term of Eq. 4 as a function of the adapter alone, with its gradient: what a network that
/// *makes* adapters is trained through.
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
/// let mut loss = AdapterLoss::new(&base, &device);
/// let (value, gradient) = loss.value_and_gradient(&base.read_weights()?, &pairs)?;
/// assert!(value > 0.0);
/// assert_eq!(gradient.len(), base.read_weights()?.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdapterLoss {
    generator: HybridGenerator,
    device: Device,
}

impl AdapterLoss {
    /// On a copy of the frozen `base`; `device` is the plain device.
    pub fn new(base: &HybridGenerator, device: &Device) -> Self {
        Self {
            generator: base.clone().train().train_adapter(),
            device: device.clone().autodiff(),
        }
    }

    /// Mean absolute difference between edited photos and targets, in units of the −1..1 range, and
    /// its gradient by every adapter weight.
    ///
    /// # Errors
    /// [`Error::NoPairs`]; weights that do not fit the base.
    pub fn value_and_gradient(
        &mut self,
        weights: &NamedTensors,
        pairs: &PairSet,
    ) -> Result<(f64, NamedTensors), Error> {
        if pairs.is_empty() {
            return Err(Error::NoPairs {
                what: "training",
                needed: 1,
            });
        }
        self.generator.load_weights(weights)?;
        let all: Vec<usize> = (0..pairs.len()).collect();
        let (photos, targets) = pairs.select(&all, &self.device);
        let edited = self.generator.forward(photos, None, Mode::Adapted);
        let loss = l1_loss(edited, targets);
        let value = loss.clone().detach().into_scalar::<f32>();
        let mut gradients = loss.backward();
        let gradient = self.generator.adapter_gradients(&mut gradients)?;
        Ok((f64::from(value), gradient))
    }
}
