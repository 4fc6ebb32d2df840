//! A whole CLIP model as a quality score: [`Direction`] with both towers.

mod folder;
mod memo;

use std::fmt;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use clean_fid::{ClipVision, FeatureNet};
use image::RgbImage;
use tensor_file::digest::Sha256;
use text_encoder::TextEncoder;

use self::folder::{ClipFolder, Towers};
use self::memo::Memo;
use super::{Direction, QualityScore};
use crate::Error;

pub use folder::ClipError;

type Tower<T> = Box<dyn Fn(&T) -> Result<Vec<f32>, Error> + Send + Sync>;

/// The name in reports.
const NAME: &str = "clip-direction";

/// CLIP's image–text direction: the cosine between the change of the image and the change of the text, in CLIP's space
/// of unit vectors.
pub struct ClipScore {
    direction: Direction<Tower<RgbImage>, Tower<str>>,
    digest: String,
}

/// Without the towers.
impl fmt::Debug for ClipScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClipScore")
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl ClipScore {
    /// Reads both towers and the tokenizer from the folder of a whole CLIP model in Hugging Face's layout (such as
    /// `openai/clip-vit-base-patch32`), to compute on `device`. `neutral` is the text that describes unedited photos.
    ///
    /// # Errors
    /// Returns a [`ClipError`], which names the file that is missing, damaged or lacks a tower.
    pub fn open(dir: &Path, neutral: &str, device: &Device) -> Result<Self, ClipError> {
        let folder = ClipFolder::open(dir)?;
        let Towers { vision, text } = folder.load(device)?;
        let digest = digest(&folder, text.digest(), neutral)?;
        let images = Memo::new(move |image: &RgbImage| embed_image(&vision, image));
        let texts = Memo::new(move |prompt: &str| {
            let vectors = text.encode_pooled(&[prompt]).map_err(failed)?;
            Ok(vectors.concat())
        });
        let image: Tower<RgbImage> = Box::new(move |image| {
            let (width, height) = image.dimensions();
            let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
            images.get(&[&size, image.as_raw()], image)
        });
        let text: Tower<str> = Box::new(move |prompt| texts.get(&[prompt.as_bytes()], prompt));
        Ok(Self {
            direction: Direction::new(image, text, neutral),
            digest,
        })
    }

    /// SHA-256 over the weights, the configuration, the tokenizer and the neutral text: only scores of one digest can be
    /// compared.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl QualityScore for ClipScore {
    fn name(&self) -> &str {
        NAME
    }

    fn score(&self, photo: &RgbImage, edited: &RgbImage, prompt: &str) -> Result<f64, Error> {
        self.direction.score(photo, edited, prompt)
    }
}

/// The digest of the text tower covers config.json, the tokenizer and the weights, but of PyTorch files only what it read.
fn digest(folder: &ClipFolder, text: &str, neutral: &str) -> Result<String, ClipError> {
    let mut digest = Sha256::new();
    digest.update(text);
    digest.update_part(neutral);
    folder.add_weights(&mut digest)?;
    Ok(digest.finish_hex())
}

fn embed_image(vision: &ClipVision, image: &RgbImage) -> Result<Vec<f32>, Error> {
    let (width, height) = image.dimensions();
    let (width, height) = (width as usize, height as usize);
    let mut planes = Vec::with_capacity(3 * width * height);
    for channel in 0..3 {
        planes.extend(image.pixels().map(|p| f32::from(p.0[channel]) / 255.0));
    }
    // The network moves the batch to the device of its weights.
    let data = TensorData::new(planes, [1, 3, height, width]);
    let images = Tensor::<4>::from_data(data, &Device::default());
    let features = vision.features(images).map_err(failed)?;
    let mut vector = features.into_data().try_into_vec::<f32>().map_err(failed)?;
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v /= norm);
    }
    Ok(vector)
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Score {
        score: NAME.to_owned(),
        source: source.into(),
    }
}
