//! From a prompt to an adapter.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use finetune::{Initializer, Start};
use lora_gan::BaseGenerator;
use weight_blocks::NamedTensors;
use weight_diffusion::{Prediction, SampleOptions, WeightGenerator};

use crate::error::Result;
use crate::starts::identity_of;
use crate::weights::adapter_layout;
use crate::{Assets, Error, PhotoEditor, PromptEncoder};

/// A base, a text encoder and a weight generator that belong together: predicts the base's LoRA weights for a prompt in
/// one denoising step.
///
/// As an [`Initializer`] it starts fine-tuning from the prediction, with the generator's default options.
pub struct AdapterPredictor {
    base: BaseGenerator,
    encoder: PromptEncoder,
    generator: WeightGenerator,
    device: Device,
}

/// Without the networks.
impl fmt::Debug for AdapterPredictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterPredictor")
            .field("base", &self.base.digest)
            .field("encoder", &self.encoder)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl AdapterPredictor {
    /// Reads base and weight generator onto `device`; the text encoder is the embedded one.
    ///
    /// # Errors
    /// As [`AdapterPredictor::load_with_encoder`].
    pub fn load(assets: &Assets, device: &Device) -> Result<Self> {
        Self::load_with_encoder(assets, device, PromptEncoder::embedded)
    }

    /// [`AdapterPredictor::load`] with the encoder that `encoder` loads while the weight generator is being read.
    ///
    /// # Errors
    /// Returns the error of the base or the encoder first, then that of the weight generator; each names the file that
    /// is missing or damaged. Then as [`AdapterPredictor::new`].
    pub fn load_with_encoder(
        assets: &Assets,
        device: &Device,
        encoder: impl FnOnce() -> Result<PromptEncoder>,
    ) -> Result<Self> {
        let loaded = Self::load_for_another_base(assets, device, encoder)?;
        check_base(&loaded.generator, &assets.weight_generator, &loaded.base)?;
        Ok(loaded)
    }

    /// [`AdapterPredictor::load_with_encoder`] of a weight generator that may have been trained for another base of the same
    /// layers, such as one of another image size. Its weights are of little use to this base until it is refined for it
    /// ([`refine`](crate::training::refine())).
    ///
    /// # Errors
    /// As [`AdapterPredictor::load_with_encoder`], but for [`Error::OtherBase`].
    pub fn load_for_another_base(
        assets: &Assets,
        device: &Device,
        encoder: impl FnOnce() -> Result<PromptEncoder>,
    ) -> Result<Self> {
        let dir = &assets.weight_generator;
        std::thread::scope(|scope| {
            let generator = scope.spawn(|| WeightGenerator::load(dir, device));
            let base = assets.load_base(device)?;
            let encoder = encoder()?;
            let generator = match generator.join() {
                Ok(generator) => generator?,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            check_layers(&generator, &base, &encoder)?;
            Ok(Self {
                base,
                encoder,
                generator,
                device: device.clone(),
            })
        })
    }

    /// Puts loaded parts together; predictions compute on `device`.
    ///
    /// # Errors
    /// Returns [`Error::OtherBase`] if the generator was trained for another base, and [`Error::WeightGenerator`] if it
    /// was trained with another text encoder or makes weights of another layout.
    pub fn new(
        base: BaseGenerator,
        encoder: PromptEncoder,
        generator: WeightGenerator,
        device: &Device,
    ) -> Result<Self> {
        check_layers(&generator, &base, &encoder)?;
        check_base(&generator, "weight generator".as_ref(), &base)?;
        Ok(Self {
            base,
            encoder,
            generator,
            device: device.clone(),
        })
    }

    /// Reads another weight generator for the same base and encoder.
    ///
    /// # Errors
    /// As [`AdapterPredictor::load`].
    pub fn load_generator(&self, dir: &Path) -> Result<WeightGenerator> {
        let generator = WeightGenerator::load(dir, &self.device)?;
        check_layers(&generator, &self.base, &self.encoder)?;
        check_base(&generator, dir, &self.base)?;
        Ok(generator)
    }

    /// The frozen base, for no prompt in particular.
    pub fn base(&self) -> &BaseGenerator {
        &self.base
    }

    /// The base for `prompt` ([`PromptEncoder::prompted`]).
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of the prompt.
    pub fn prompted_base(&self, prompt: &str) -> Result<BaseGenerator> {
        self.encoder.prompted(&self.base, prompt)
    }

    /// Reads an adapter of the base; gives it with the base for the prompt in its file. A file that names no prompt has the
    /// base for none, which does if the base reads no prompts.
    ///
    /// # Errors
    /// Returns [`Error::Network`], which names the file, if it cannot be read or is of another base, and [`Error::Text`] if
    /// the encoder knows no word of its prompt.
    pub fn load_adapter(&self, path: impl AsRef<Path>) -> Result<(BaseGenerator, NamedTensors)> {
        let (adapter, prompt) = self.base.load_adapter(path)?;
        let base = match prompt {
            Some(prompt) => self.prompted_base(&prompt)?,
            None => self.base.clone(),
        };
        Ok((base, adapter))
    }

    /// An editor of photos for `prompt`, with the predicted adapter.
    ///
    /// # Errors
    /// As [`AdapterPredictor::predict`].
    pub fn editor(&self, prompt: &str) -> Result<PhotoEditor> {
        let prediction = self.predict(prompt)?;
        PhotoEditor::new(&self.prompted_base(prompt)?, &prediction.weights)
    }

    /// The text encoder.
    pub fn encoder(&self) -> &PromptEncoder {
        &self.encoder
    }

    /// The weight generator.
    pub fn generator(&self) -> &WeightGenerator {
        &self.generator
    }

    /// The device that predictions compute on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The adapter for `prompt` with the generator's default options.
    ///
    /// # Errors
    /// As [`AdapterPredictor::predict_with`].
    pub fn predict(&self, prompt: &str) -> Result<Prediction> {
        self.predict_with(prompt, &self.generator.defaults())
    }

    /// The adapter for `prompt`: tokens, then one denoising step for all blocks (paper, §3.3).
    /// [`Prediction::norm_warning`] tells if its norm is far from those of the zoo.
    ///
    /// # Errors
    /// Returns [`Error::Text`] if the encoder knows no word of the prompt, and [`Error::WeightGenerator`] if `options` do
    /// not fit the generator's schedule.
    pub fn predict_with(&self, prompt: &str, options: &SampleOptions) -> Result<Prediction> {
        let tokens = self.encoder.tokens(prompt)?;
        Ok(self.generator.predict(&tokens, options, &self.device)?)
    }
}

impl Initializer for AdapterPredictor {
    fn name(&self) -> &str {
        "denoised"
    }

    fn identity(&self) -> Result<String, finetune::Error> {
        identity_of(self.name(), &self.generator, &self.generator.defaults())
    }

    fn start(&self, prompt: &str) -> Result<Start, finetune::Error> {
        let prediction = self.predict(prompt);
        let prediction = prediction.map_err(|error| finetune::Error::Initializer {
            name: self.name().to_owned(),
            source: error.into(),
        })?;
        Ok(Start {
            weights: prediction.weights,
            origin: None,
        })
    }
}

fn check_layers(
    generator: &WeightGenerator,
    base: &BaseGenerator,
    encoder: &PromptEncoder,
) -> Result<()> {
    generator.check_encoder(&encoder.id())?;
    base.check_encoder(&encoder.id())?;
    Ok(generator.check_layout(&adapter_layout(base, generator.layout().block_size())?)?)
}

fn check_base(generator: &WeightGenerator, path: &Path, base: &BaseGenerator) -> Result<()> {
    if generator.base_digest() != base.digest {
        return Err(Error::OtherBase {
            path: path.to_owned(),
            expected: generator.base_digest().to_owned(),
            found: base.digest.clone(),
        });
    }
    Ok(())
}
