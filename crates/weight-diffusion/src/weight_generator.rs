//! The trained artefact: from a prompt to the weights of a network.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tensor_file::digest::sha256_hex;
use weight_blocks::module::module_shapes;
use weight_blocks::{Layout, NamedTensors, Normalizer, load_named, module_to_named};

use crate::data::{NormStats, l2};
use crate::diffusion::{SampleOptions, one_step, one_step_token_gradient};
use crate::storage::{
    Precision, check_layout_size, check_network_size, read_json, read_tensors, tensor_bytes,
    write_hashed, write_json,
};
use crate::unet::{ComputePrecision, UNet1d, UNet1dConfig};
use crate::{Error, Prediction};
use encoded_text::{EncodedPrompt, EncoderId, TextCondition};

pub(crate) const VERSION: u32 = 2;

/// The normaliser's means among the weights; there is one for each weight that is predicted.
const MEANS: &str = "normalizer.means";

/// A trained denoiser with all that is needed to turn its blocks into weights.
#[derive(Debug, Clone)]
pub struct WeightGenerator {
    unet: UNet1d,
    layout: Layout,
    normalizer: Normalizer,
    encoder: EncoderId,
    zoo_norm: NormStats,
    trained_norm: Option<NormStats>,
    base_digest: String,
    defaults: SampleOptions,
    /// Of the weights' file, if they were read from one.
    sha256: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    version: u32,
    sha256: String,
    precision: Precision,
    pub(crate) unet: UNet1dConfig,
    pub(crate) layout: Layout,
    /// Without its means, which are with the weights.
    pub(crate) normalizer: Normalizer,
    #[serde(rename = "text")]
    encoder: EncoderId,
    zoo_norm: NormStats,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trained_norm: Option<NormStats>,
    base_digest: String,
    defaults: SampleOptions,
}

impl WeightGenerator {
    /// Name of the file with the network's weights.
    pub const WEIGHTS_FILE: &str = "weight_generator.safetensors";
    /// Name of the file with everything else.
    pub const CONFIG_FILE: &str = "weight_generator.json";

    /// Creates a generator from its parts; `unet` may be on a training device.
    ///
    /// `zoo_norm` is [`BlockSource::norm`](crate::BlockSource::norm), `base_digest` identifies the frozen
    /// network that the weights are for, and `defaults` are the options to sample with if a user gives none.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the block size or the text width differs between the parts or `defaults`
    /// do not fit the schedule, and [`Error::Blocks`] if the normaliser belongs to another layout.
    pub fn new(
        unet: UNet1d,
        layout: Layout,
        normalizer: Normalizer,
        encoder: EncoderId,
        zoo_norm: NormStats,
        base_digest: impl Into<String>,
        defaults: SampleOptions,
    ) -> Result<Self, Error> {
        let config = unet.config();
        let same = |field, unet: usize, other: usize, whose| {
            if unet == other {
                return Ok(());
            }
            Err(Error::config(field, unet, format!("{whose}, {other}")))
        };
        same(
            "block_size",
            config.block_size,
            layout.block_size(),
            "the layout's",
        )?;
        same(
            "context_width",
            config.context_width,
            encoder.width,
            "the text encoder's",
        )?;
        config.check_blocks(layout.blocks(), "the layout's")?;
        defaults.validate(&config.schedule)?;
        // Fails now, and not at the first prediction, if it belongs to another layout.
        normalizer.check(&layout)?;
        Ok(Self {
            unet: unet.valid(),
            layout,
            normalizer,
            encoder,
            zoo_norm,
            trained_norm: None,
            base_digest: base_digest.into(),
            defaults,
            sha256: None,
        })
    }

    /// Records the norms of the predictions for `texts`, the training prompts. Training through a
    /// [`NetworkLoss`](crate::NetworkLoss) moves predictions away from the zoo's weights; the norm of a
    /// prediction is then compared with these.
    ///
    /// # Errors
    /// As [`WeightGenerator::predict`].
    pub fn with_trained_norm(
        mut self,
        texts: &[EncodedPrompt],
        device: &Device,
    ) -> Result<Self, Error> {
        let norms = (texts.iter())
            .map(|text| Ok(self.predict(text, &self.defaults, device)?.norm))
            .collect::<Result<Vec<_>, Error>>()?;
        self.trained_norm = (!norms.is_empty()).then(|| NormStats::of(&norms));
        Ok(self)
    }

    /// Writes the generator to `dir`: the weights, then the configuration with their digest, each atomically.
    /// If a save over an older generator is interrupted between the two, loading notices it.
    ///
    /// # Errors
    /// Returns [`Error::File`] if a file cannot be written or a weight is too large for [`Precision::Half`], and
    /// [`Error::NotStorable`] if a weight is NaN or infinite.
    pub fn save(&self, dir: &Path, precision: Precision) -> Result<(), Error> {
        let path = dir.join(Self::WEIGHTS_FILE);
        let sha256 = write_hashed(&path, &self.bytes(&path, precision)?)?;
        let manifest = Manifest {
            version: VERSION,
            sha256,
            precision,
            unet: self.unet.config().clone(),
            layout: self.layout.clone(),
            normalizer: self.normalizer.clone().with_means(Vec::new()),
            encoder: self.encoder.clone(),
            zoo_norm: self.zoo_norm,
            trained_norm: self.trained_norm,
            base_digest: self.base_digest.clone(),
            defaults: self.defaults,
        };
        write_json(&dir.join(Self::CONFIG_FILE), &manifest)
    }

    /// The weights' file.
    fn bytes(&self, path: &Path, precision: Precision) -> Result<Vec<u8>, Error> {
        let means = [(MEANS, self.normalizer.means())];
        tensor_bytes(path, &module_to_named(&self.unet)?, precision, &means)
    }

    /// The SHA-256 of the weights, which tells one generator from another: that of the file that they were read from, or else
    /// of the one that [`WeightGenerator::save`] writes in full precision.
    ///
    /// # Errors
    /// Returns [`Error::NotStorable`] if a weight is NaN or infinite.
    pub fn digest(&self) -> Result<String, Error> {
        match &self.sha256 {
            Some(sha256) => Ok(sha256.clone()),
            None => {
                let bytes = self.bytes(Self::WEIGHTS_FILE.as_ref(), Precision::Full)?;
                Ok(sha256_hex(&bytes))
            }
        }
    }

    /// Reads what [`WeightGenerator::save`] wrote, in either precision, onto `device`.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if a file is missing. If a file is damaged, or the two do not belong together,
    /// returns an error that names it: [`Error::Json`], [`Error::Version`], [`Error::NetworkTooLarge`],
    /// [`Error::LayoutTooLarge`], [`Error::Digest`], [`Error::MissingTensor`], [`Error::Misfit`] or
    /// [`Error::File`].
    pub fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let manifest: Manifest = read_json(&dir.join(Self::CONFIG_FILE), VERSION)?;
        let path = dir.join(Self::WEIGHTS_FILE);
        let width = match manifest.precision {
            Precision::Full => 4,
            Precision::Half => 2,
        };
        check_network_size(&path, &manifest.unet, width, 1)?;
        check_layout_size(&path, &manifest.layout)?;
        let mut weights = read_tensors(&path, &manifest.sha256)?;
        let means = weights.remove(MEANS).ok_or_else(|| Error::MissingTensor {
            path: path.clone(),
            name: MEANS.to_owned(),
        })?;
        let unet = UNet1d::new(&manifest.unet, 0, &device.clone().without_autodiff())?;
        let known = module_shapes(&unet);
        let missing = |(name, _): &&(String, _)| !weights.contains_key(name);
        if let Some((name, _)) = known.iter().find(missing) {
            let name = name.clone();
            return Err(Error::MissingTensor { path, name });
        }
        let unet = load_named(unet, &weights).map_err(|source| Error::Misfit {
            path,
            source: Box::new(source),
        })?;
        let trained_norm = manifest.trained_norm;
        let generator = Self::new(
            unet,
            manifest.layout,
            manifest.normalizer.with_means(means.data),
            manifest.encoder,
            manifest.zoo_norm,
            manifest.base_digest,
            manifest.defaults,
        )?;
        Ok(Self {
            trained_norm,
            sha256: Some(manifest.sha256),
            ..generator
        })
    }

    /// The same generator, computing in `precision`. Saving it afterwards stores the rounded weights.
    ///
    /// # Errors
    /// As [`UNet1d::compute_in`].
    pub fn compute_in(mut self, precision: ComputePrecision) -> Result<Self, Error> {
        self.unet = self.unet.compute_in(precision)?;
        self.sha256 = None;
        Ok(self)
    }

    /// Checks that prompts come from the encoder that the generator was trained with.
    ///
    /// # Errors
    /// Returns [`Error::TextEncoder`] if they do not.
    pub fn check_encoder(&self, encoder: &EncoderId) -> Result<(), Error> {
        if *encoder == self.encoder {
            return Ok(());
        }
        Err(Error::TextEncoder {
            expected: self.encoder.to_string(),
            found: encoder.to_string(),
        })
    }

    /// Checks that `layout` is the one that the generator predicts weights for.
    ///
    /// # Errors
    /// Returns [`Error::Layout`] if it is not.
    pub fn check_layout(&self, layout: &Layout) -> Result<(), Error> {
        let (expected, found) = (self.layout.digest(), layout.digest());
        if expected == found {
            return Ok(());
        }
        Err(Error::layout(
            (self.layout.name(), &expected),
            (layout.name(), &found),
        ))
    }

    /// Predicts the weights for `text` with one denoising step for all N blocks (paper, §3.3). The keys and
    /// values of the text are computed once for a whole batch of blocks.
    ///
    /// If `device` is not the generator's own, each call copies the network.
    ///
    /// # Errors
    /// Returns [`Error::Config`] if the options do not fit the schedule, [`Error::Prompt`] if the text has
    /// another width, and [`Error::Device`] if the weights cannot be read back.
    pub fn predict(
        &self,
        text: &EncodedPrompt,
        options: &SampleOptions,
        device: &Device,
    ) -> Result<Prediction, Error> {
        let device = device.clone().without_autodiff();
        let moved;
        let unet = if self.unet.device() == device {
            &self.unet
        } else {
            moved = self.unet.clone().to_device(&device);
            &moved
        };
        let condition = TextCondition::from_host(&[text], self.encoder.width, &device)?;
        let blocks = self.layout.blocks();
        let schedule = &unet.config().schedule;
        let mut encoded = one_step(unet, &condition, blocks, schedule, options)?;
        self.normalizer.denormalize(&mut encoded)?;
        Ok(Prediction {
            weights: self.layout.decode(&encoded)?,
            norm: l2(&encoded),
            encoded,
            zoo_norm_mean: self.zoo_norm.mean,
            zoo_norm_std: self.zoo_norm.std,
            trained_norm: self.trained_norm,
        })
    }

    /// How a loss of the predicted weights changes with the prompt's tokens: L·C values. `gradient` is the loss's
    /// gradient with respect to the weights that [`predict`](Self::predict) gives for the same text and options.
    /// It lets examples correct a prompt (textual inversion, Gal et al. 2023, through the weight generator).
    ///
    /// # Errors
    /// As [`predict`](Self::predict), and [`Error::Blocks`] if the gradient has other tensors than the layout.
    pub fn token_gradient(
        &self,
        text: &EncodedPrompt,
        gradient: &NamedTensors,
        options: &SampleOptions,
        device: &Device,
    ) -> Result<Vec<f32>, Error> {
        let device = device.clone().without_autodiff().autodiff();
        let unet = self.unet.clone().to_device(&device).no_grad();
        let condition = TextCondition::from_host(&[text], self.encoder.width, &device)?;
        let mut direction = self.layout.encode(gradient)?;
        self.normalizer.scale_gradient(&mut direction)?;
        let (blocks, schedule) = (self.layout.blocks(), &unet.config().schedule);
        one_step_token_gradient(&unet, &condition, blocks, schedule, options, &direction)
    }

    /// The network.
    pub fn unet(&self) -> &UNet1d {
        &self.unet
    }

    /// Layout of the predicted weights.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Normaliser of the blocks.
    pub fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    /// The text encoder that the generator was trained with.
    pub fn encoder(&self) -> &EncoderId {
        &self.encoder
    }

    /// Norms of the weights that the generator was trained on.
    pub fn zoo_norm(&self) -> NormStats {
        self.zoo_norm
    }

    /// Norms of the predictions for the training prompts, if the generator was refined.
    pub fn trained_norm(&self) -> Option<NormStats> {
        self.trained_norm
    }

    /// Digest of the frozen network that the weights are for.
    pub fn base_digest(&self) -> &str {
        &self.base_digest
    }

    /// Options to sample with if a user gives none.
    pub fn defaults(&self) -> SampleOptions {
        self.defaults
    }
}
