//! The trained artefact: from a prompt to the weights of a network.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use weight_blocks::{Layout, NamedTensors, Normalizer, load_named, module_shapes, module_to_named};

use crate::data::l2;
use crate::storage::{Precision, read_json, read_tensors, write_json, write_tensors};
use crate::{
    ComputePrecision, Error, HostText, NormStats, SampleOptions, TextCondition, TextSpec, UNet1d,
    UNet1dConfig, one_step, unet::parameter_count,
};

/// The file with the network's weights.
pub const WEIGHTS_FILE: &str = "weight_generator.safetensors";
/// The file with everything else.
pub const CONFIG_FILE: &str = "weight_generator.json";
const VERSION: u32 = 1;

/// A trained denoiser with all that is needed to turn its blocks into weights.
#[derive(Debug, Clone)]
pub struct WeightGenerator {
    unet: UNet1d,
    layout: Layout,
    normalizer: Normalizer,
    text: TextSpec,
    zoo_norm: NormStats,
    trained_norm: Option<NormStats>,
    base_digest: String,
    defaults: SampleOptions,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    sha256: String,
    precision: Precision,
    unet: UNet1dConfig,
    layout: Layout,
    normalizer: Normalizer,
    text: TextSpec,
    zoo_norm: NormStats,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trained_norm: Option<NormStats>,
    base_digest: String,
    defaults: SampleOptions,
}

/// Predicted weights, and how large they are against those the generator learnt from.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The weights by name, ready to load.
    pub weights: NamedTensors,
    /// The same as N·b values, no longer normalised.
    pub encoded: Vec<f32>,
    /// L2 norm of `encoded`.
    pub norm: f64,
    /// Mean norm of the zoo's networks.
    pub zoo_norm_mean: f64,
    /// Standard deviation of the zoo's norms.
    pub zoo_norm_std: f64,
    /// Norms of its predictions for the training prompts, where the generator was trained on past the
    /// zoo ([`WeightGenerator::with_trained_norm`]).
    pub trained_norm: Option<NormStats>,
}

impl Prediction {
    /// A sentence where the norm is more than four deviations and 5 % away from the zoo's mean (that
    /// of the training prompts' predictions, where they are known), or
    /// off by a factor of two: such weights are rarely of use.
    pub fn norm_warning(&self) -> Option<String> {
        let (mean, std, whose) = match self.trained_norm {
            Some(norm) => (norm.mean, norm.std, "for the training prompts"),
            None => (self.zoo_norm_mean, self.zoo_norm_std, "of the zoo"),
        };
        let distance = (self.norm - mean).abs();
        // A zoo of nearly equal norms would warn of nothing but rounding.
        let far = distance > (4.0 * std).max(0.05 * mean);
        let double = self.norm > 2.0 * mean || self.norm < 0.5 * mean;
        if !self.norm.is_finite() || (mean > 0.0 && (far || double)) {
            return Some(format!(
                "the predicted weights have norm {:.3}, those {whose} {mean:.3} ± {std:.3}; the prompt may be far from the zoo's, or the weight generator not trained enough",
                self.norm
            ));
        }
        None
    }
}

impl WeightGenerator {
    /// Puts the parts together; `unet` may come from a training device.
    ///
    /// `zoo_norm` is [`BlockDataset::norm`](crate::BlockDataset::norm), `base_digest` names the
    /// frozen network that the weights are for, and `defaults` are the options to sample with
    /// where a user gives none.
    ///
    /// # Errors
    /// [`Error::Config`] where block size or text width differ between the parts, or `defaults` do
    /// not fit the schedule.
    pub fn new(
        unet: UNet1d,
        layout: Layout,
        normalizer: Normalizer,
        text: TextSpec,
        zoo_norm: NormStats,
        base_digest: impl Into<String>,
        defaults: SampleOptions,
    ) -> Result<Self, Error> {
        let config = unet.config();
        let same = |field, unet: usize, other: usize, whose| {
            if unet == other {
                return Ok(());
            }
            let why = format!("the network's is {unet}, {whose} {other}");
            Err(Error::config(field, why))
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
            text.width,
            "the text encoder's",
        )?;
        defaults.validate(&config.schedule)?;
        // A normaliser of another layout says so now and not at the first prediction.
        normalizer.check(&layout)?;
        Ok(Self {
            unet: unet.valid(),
            layout,
            normalizer,
            text,
            zoo_norm,
            trained_norm: None,
            base_digest: base_digest.into(),
            defaults,
        })
    }

    /// Records the norms of its predictions for the prompts `texts` it was trained on. Training through
    /// a [`NetworkLoss`](crate::NetworkLoss) takes the weights past the zoo's; what a prediction's
    /// norm is then to be measured by is what the generator was trained to make.
    ///
    /// # Errors
    /// As [`WeightGenerator::predict`].
    pub fn with_trained_norm(mut self, texts: &[HostText], device: &Device) -> Result<Self, Error> {
        let norms = (texts.iter())
            .map(|text| Ok(self.predict(text, &self.defaults, device)?.norm))
            .collect::<Result<Vec<_>, Error>>()?;
        self.trained_norm = (!norms.is_empty()).then(|| NormStats::of(&norms));
        Ok(self)
    }

    /// Writes the generator to `dir`: the weights, then the configuration with their digest, each
    /// atomically. A save interrupted between the two over an older one is noticed on loading.
    ///
    /// # Errors
    /// [`Error::Blocks`] naming the file; [`Error::Checkpoint`] for a weight that
    /// [`Precision::Half`] cannot hold.
    pub fn save(&self, dir: &Path, precision: Precision) -> Result<(), Error> {
        let path = dir.join(WEIGHTS_FILE);
        write_tensors(&path, &module_to_named(&self.unet)?, precision)?;
        let manifest = Manifest {
            version: VERSION,
            sha256: weight_blocks::file_digest(&path)?,
            precision,
            unet: self.unet.config().clone(),
            layout: self.layout.clone(),
            normalizer: self.normalizer.clone(),
            text: self.text.clone(),
            zoo_norm: self.zoo_norm,
            trained_norm: self.trained_norm,
            base_digest: self.base_digest.clone(),
            defaults: self.defaults,
        };
        write_json(&dir.join(CONFIG_FILE), &manifest)
    }

    /// Reads what [`WeightGenerator::save`] wrote, of either precision, onto `device`.
    ///
    /// # Errors
    /// All naming the file: [`Error::Io`] or [`Error::Blocks`] where it is missing,
    /// [`Error::Json`] or [`Error::Checkpoint`] where it is cut off, changed, or its tensors do not
    /// fit, [`Error::Version`] where another build wrote it.
    pub fn load(dir: &Path, device: &Device) -> Result<Self, Error> {
        let manifest: Manifest = read_json(&dir.join(CONFIG_FILE), VERSION)?;
        let path = dir.join(WEIGHTS_FILE);
        let width = match manifest.precision {
            Precision::Full => 4,
            Precision::Half => 2,
        };
        parameter_count::check_file(&path, &manifest.unet, width, 1)?;
        parameter_count::check_layout(&path, &manifest.layout)?;
        let weights = read_tensors(&path, &manifest.sha256)?;
        let unet = UNet1d::new(&manifest.unet, 0, &device.clone().without_autodiff())?;
        let known = module_shapes(&unet);
        let missing = |(name, _): &&(String, _)| !weights.contains_key(name);
        if let Some((name, _)) = known.iter().find(missing) {
            return Err(Error::checkpoint(
                &path,
                format!("tensor `{name}` is missing"),
            ));
        }
        let unet = load_named(unet, &weights).map_err(|error| Error::checkpoint(&path, error))?;
        let trained_norm = manifest.trained_norm;
        let generator = Self::new(
            unet,
            manifest.layout,
            manifest.normalizer,
            manifest.text,
            manifest.zoo_norm,
            manifest.base_digest,
            manifest.defaults,
        )?;
        Ok(Self {
            trained_norm,
            ..generator
        })
    }

    /// The same generator computing in `precision`; what is saved of it is then as precise.
    ///
    /// # Errors
    /// As [`UNet1d::compute_in`].
    pub fn compute_in(mut self, precision: ComputePrecision) -> Result<Self, Error> {
        self.unet = self.unet.compute_in(precision)?;
        Ok(self)
    }

    /// Checks that prompts come from the encoder the generator was trained with.
    ///
    /// # Errors
    /// [`Error::TextEncoder`].
    pub fn check_text(&self, text: &TextSpec) -> Result<(), Error> {
        if *text == self.text {
            return Ok(());
        }
        Err(Error::TextEncoder {
            expected: self.text.to_string(),
            found: text.to_string(),
        })
    }

    /// Checks that the weights are to go into a network of the layout they are made for.
    ///
    /// # Errors
    /// [`Error::Layout`].
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

    /// The weights for `text`: one denoising step for all N blocks (paper, §3.3), the text's keys
    /// and values computed once for a whole batch of blocks.
    ///
    /// A `device` other than the one the generator is on costs a copy of the network per call.
    ///
    /// # Errors
    /// [`Error::Config`] for options that do not fit the schedule, [`Error::Shape`] for a text of
    /// another width, [`Error::Device`].
    pub fn predict(
        &self,
        text: &HostText,
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
        let condition = TextCondition::from_host(&[text], self.text.width, &device)?;
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

    /// The network.
    pub fn unet(&self) -> &UNet1d {
        &self.unet
    }

    /// The layout of the weights it makes.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The normaliser of its blocks.
    pub fn normalizer(&self) -> &Normalizer {
        &self.normalizer
    }

    /// The text encoder it was trained with.
    pub fn text(&self) -> &TextSpec {
        &self.text
    }

    /// Norms of the weights it learnt from.
    pub fn zoo_norm(&self) -> NormStats {
        self.zoo_norm
    }

    /// Norms of its predictions for the training prompts, where it was trained on past the zoo.
    pub fn trained_norm(&self) -> Option<NormStats> {
        self.trained_norm
    }

    /// Digest of the frozen network its weights are for.
    pub fn base_digest(&self) -> &str {
        &self.base_digest
    }

    /// Options to sample with unless a user chooses others.
    pub fn defaults(&self) -> SampleOptions {
        self.defaults
    }
}
