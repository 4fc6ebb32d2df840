//! Co-Mod-GAN's generator.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::config::CoModConfig;
use super::encoder::Encoder;
use super::mapping::Mapping;
use super::synthesis::Synthesis;
use crate::error::Error;
use lora_gan::Pass;
use lora_gan::init::normal;
use lora_gan::state_dict::{self, StateDictFile};

/// Latents z `[n, width]` from N(0, 1), drawn on the host from `seed`.
pub fn latents(n: usize, width: usize, seed: u64, device: &Device) -> Tensor<2> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let data = TensorData::new(normal(n * width, 1.0, &mut rng), [n, width]);
    Tensor::from_data(data, device)
}

/// Co-modulated generator: every layer of the decoder is modulated by w = mapping(z) and the
/// encoder's vector together.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use gan_baselines::comod::{CoModConfig, CoModGenerator, latents};
/// use lora_gan::Pass;
///
/// let device = Device::flex();
/// let config = CoModConfig::compact();
/// let generator = CoModGenerator::new(&config, 0, &device)?;
/// let photo = Tensor::zeros([2, 3, 64, 64], &device);
/// let z = latents(2, config.latent, 1, &device);
/// let edited = generator.forward(photo, z, Pass::Train { seed: 2 })?;
/// assert_eq!(edited.dims(), [2, 3, 64, 64]);
/// # Ok::<(), gan_baselines::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct CoModGenerator {
    /// z → w.
    mapping: Mapping,
    /// Photo → features and vector.
    encoder: Encoder,
    /// → image.
    synthesis: Synthesis,
    image_size: usize,
    latent: usize,
}

impl CoModGenerator {
    /// A generator whose weights are drawn from `seed`: all N(0, 1) (equalised learning rate),
    /// biases zero (modulation: one), noise strengths zero.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the image size is not a power of two from 8 to 1024, or if a width, a number of
    /// layers or the dropout is outside its range.
    pub fn new(config: &CoModConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        config.validate()?;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        Ok(Self {
            mapping: Mapping::new(config, rng, device),
            encoder: Encoder::new(config, rng, device),
            synthesis: Synthesis::new(config, rng, device),
            image_size: config.image_size,
            latent: config.latent,
        })
    }

    /// Width Z of the latent z.
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// The same network with the weights of a safetensors file that
    /// [`save_state_dict`](Self::save_state_dict) wrote, stored noise included. The names are this
    /// crate's: the authors' checkpoints are TensorFlow's.
    ///
    /// # Errors
    /// Returns the errors of [`lora_gan::state_dict::load`].
    pub fn load_state_dict(self, file: impl Into<StateDictFile>) -> Result<Self, Error> {
        Ok(state_dict::load(self, &[], file)?)
    }

    /// Writes the weights as safetensors.
    ///
    /// # Errors
    /// Returns the errors of [`lora_gan::state_dict::save`].
    pub fn save_state_dict(&self, path: &Path) -> Result<(), Error> {
        Ok(state_dict::save(self, &[], path)?)
    }

    /// Photo `[B, 3, S, S]` in −1..1 and latent z `[B, Z]` → edited photo `[B, 3, S, S]`.
    ///
    /// Nothing bounds the output, as in StyleGAN2: clamp it to −1..1 to show it.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the photo's size or channels are not the configuration's, or if the latent's
    /// width or batch does not fit.
    pub fn forward(&self, photo: Tensor<4>, z: Tensor<2>, pass: Pass) -> Result<Tensor<4>, Error> {
        let batch = check_photo("photo", &photo, self.image_size)?;
        if z.dims() != [batch, self.latent] {
            return Err(Error::Input {
                what: "latent z",
                expected: format!("[{batch}, {}]", self.latent),
                found: z.dims().to_vec(),
            });
        }
        let w = self.mapping.forward(z);
        let (features, global) = self.encoder.forward(photo, pass);
        Ok(self.synthesis.forward(features, global, w, pass))
    }
}

/// The batch size of a photo, which must be `[B, 3, size, size]`.
pub(crate) fn check_photo(
    what: &'static str,
    photo: &Tensor<4>,
    size: usize,
) -> Result<usize, Error> {
    let [batch, c, h, w] = photo.dims();
    if batch > 0 && [c, h, w] == [3, size, size] {
        return Ok(batch);
    }
    Err(Error::Input {
        what,
        expected: format!("[B, 3, {size}, {size}] (the configuration's image_size)"),
        found: vec![batch, c, h, w],
    })
}
