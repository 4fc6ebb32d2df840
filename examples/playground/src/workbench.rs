//! The loaded model, and what the page asks of it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use concepts::images::{encode_png, fit_image, scale_image};
use concepts::read_photos;
use denoised_weights::lora_gan::BaseGenerator;
use denoised_weights::pairs::spread;
use denoised_weights::weights::{mix, mixed_prompt, with_strength};
use denoised_weights::{
    AdapterPredictor, Assets, Error, Neighbour, PhotoEditor, Preset, PromptNeighbours, WholeSize,
};
use image::RgbImage;
use weight_blocks::{NamedTensors, Zoo};

use crate::setup::Setup;

/// Photographs of the samples.
const SAMPLES: usize = 8;

/// Pixels a side of a sample: those of the shipped photographs.
const SAMPLE_SIZE: usize = 128;

/// Pixels along the shorter side of a photograph of the user's, at most.
pub(crate) const SHOWN_SIZE: u32 = 256;

/// Neighbours that are named.
const NEIGHBOURS: usize = 4;

/// A sample photograph.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) image: RgbImage,
    pub(crate) png: Vec<u8>,
}

/// A loaded model with its zoo's prompts and sample photographs.
pub struct Workbench {
    predictor: AdapterPredictor,
    zoo: Zoo,
    neighbours: PromptNeighbours,
    samples: Vec<Sample>,
    paths: Assets,
    setup: Setup,
    seed: u64,
}

/// Without the zoo and the photographs.
impl fmt::Debug for Workbench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workbench")
            .field("predictor", &self.predictor)
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

/// What an adapter is made from.
#[derive(Debug, Clone)]
pub(crate) enum Recipe {
    /// Predicted, and mixed with that of a second prompt by a share.
    Prompt(String, Option<(String, f32)>),
    /// The file of a trained style.
    Trained(PathBuf),
}

/// A predicted or trained adapter.
pub(crate) struct Made {
    /// The base for the prompt.
    pub(crate) base: BaseGenerator,
    pub(crate) adapter: NamedTensors,
    pub(crate) seconds: f64,
    /// For people.
    pub(crate) warnings: Vec<String>,
    pub(crate) neighbours: Vec<Neighbour>,
}

impl Workbench {
    /// Takes a loaded model and reads the zoo's prompts and the sample photographs of `paths`.
    ///
    /// # Errors
    /// Returns the error of the zoo or of the photographs.
    pub fn new(predictor: AdapterPredictor, paths: Assets) -> Result<Self, Error> {
        let zoo = paths.open_zoo(predictor.base())?;
        let neighbours = PromptNeighbours::of_zoo(&zoo, predictor.encoder())?;
        let samples = samples(&paths.photos)?;
        let setup = Setup::of(Preset::of(&predictor.base().config), &paths);
        Ok(Self {
            predictor,
            zoo,
            neighbours,
            samples,
            paths,
            setup,
            seed: 0,
        })
    }

    /// Sets the seed of the trainings that begin from now on; it is 0 otherwise.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Names the folder of the predictor's text encoder, which is the embedded one otherwise. The page's commands repeat it.
    #[must_use]
    pub fn with_text_encoder(mut self, folder: Option<&Path>) -> Self {
        self.setup.text_encoder = folder.map(|folder| folder.display().to_string());
        self
    }

    /// Names the predictor's device, which is `flex` otherwise. The page's commands and the reports of trainings repeat it.
    #[must_use]
    pub fn with_device_name(mut self, name: &str) -> Self {
        self.setup.set_device(name);
        self
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Pixels a side of the images that the base takes.
    pub(crate) fn size(&self) -> usize {
        self.predictor.base().config.image_size
    }

    /// The preset of the base.
    pub(crate) fn preset(&self) -> Preset {
        Preset::of(&self.predictor.base().config)
    }

    pub(crate) fn predictor(&self) -> &AdapterPredictor {
        &self.predictor
    }

    pub(crate) fn zoo(&self) -> &Zoo {
        &self.zoo
    }

    pub(crate) fn paths(&self) -> &Assets {
        &self.paths
    }

    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The number of concepts that the weight generator learned from.
    pub(crate) fn concepts(&self) -> usize {
        self.neighbours.len()
    }

    /// A photograph as it is edited and shown: with its own proportions, no larger than need be.
    pub(crate) fn shown(&self, image: RgbImage) -> Result<RgbImage, Error> {
        let (shorter, longer) = (
            image.width().min(image.height()),
            image.width().max(image.height()),
        );
        // A strip is as long as a whole photo may be.
        let whole = WholeSize::MAX_PIXELS as f64 * f64::from(shorter) / f64::from(longer.max(1));
        let side = shorter.min(SHOWN_SIZE).min(whole.sqrt() as u32);
        Ok(scale_image(image, side.max(1) as usize)?)
    }

    /// The middle square at the base's size, as pairs are trained on.
    pub(crate) fn fit(&self, image: RgbImage) -> Result<RgbImage, Error> {
        Ok(fit_image(image, self.size())?)
    }

    /// The adapter of `recipe` at `strength`.
    pub(crate) fn make(&self, recipe: &Recipe, strength: f32) -> Result<Made, Error> {
        let started = Instant::now();
        let (base, full) = match recipe {
            Recipe::Trained(path) => self.predictor.load_adapter(path)?,
            Recipe::Prompt(prompt, second) => {
                let mut adapter = self.predictor.predict(prompt)?.weights;
                let mut prompt = prompt.clone();
                if let Some((other, share)) = second {
                    adapter = mix(&adapter, &self.predictor.predict(other)?.weights, *share)?;
                    prompt = mixed_prompt(&prompt, other, *share);
                }
                (self.predictor.prompted_base(&prompt)?, adapter)
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        let (warnings, neighbours) = match recipe {
            Recipe::Trained(_) => (Vec::new(), Vec::new()),
            Recipe::Prompt(prompt, second) => self.judge(prompt, second.as_ref())?,
        };
        Ok(Made {
            adapter: with_strength(&base, &full, strength)?,
            base,
            seconds,
            warnings,
            neighbours,
        })
    }

    /// Warnings about a prompt and the one that is mixed in, and the neighbours of the first.
    fn judge(
        &self,
        prompt: &str,
        second: Option<&(String, f32)>,
    ) -> Result<(Vec<String>, Vec<Neighbour>), Error> {
        let encoder = self.predictor.encoder();
        let near = self.neighbours.nearest(encoder, prompt, NEIGHBOURS)?;
        let mut warnings = Vec::from_iter(self.neighbours.warning(prompt, &near));
        let mut cut = Vec::from_iter(encoder.cut_warning(prompt)?);
        if let Some((other, share)) = second {
            let near = self.neighbours.nearest(encoder, other, 1)?;
            warnings.extend(self.neighbours.warning(other, &near));
            cut.extend(encoder.cut_warning(other)?);
            if cut.is_empty() {
                // Two prompts that the base reads as one may be too long together.
                cut.extend(encoder.cut_warning(&mixed_prompt(prompt, other, *share))?);
            }
        }
        warnings.extend(cut);
        Ok((warnings, near))
    }

    /// Edits photographs of any size.
    pub(crate) fn edit(&self, made: &Made, photos: &[&RgbImage]) -> Result<Vec<RgbImage>, Error> {
        if photos.is_empty() {
            return Ok(Vec::new());
        }
        let editor = PhotoEditor::new(&made.base, &made.adapter)?;
        let edits = photos
            .iter()
            .map(|&photo| editor.edit_whole(photo.clone(), WholeSize::Own));
        edits.collect()
    }
}

/// One photograph of each of several sources.
fn samples(dir: &Path) -> Result<Vec<Sample>, Error> {
    let mut photos = read_photos(dir, SAMPLE_SIZE)?;
    photos.dedup_by(|a, b| a.source == b.source);
    spread(&photos, SAMPLES, 0.5)
        .into_iter()
        .map(|photo| {
            Ok(Sample {
                name: photo.source.replace('-', " "),
                png: encode_png(&photo.image, &photo.path)?,
                image: photo.image,
            })
        })
        .collect()
}
