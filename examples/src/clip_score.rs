//! A whole CLIP model's folder as the score that chooses among editors: [`Direction`] with both towers.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use clean_fid::{ClipVision, ClipVisionConfig, FeatureNet};
use image::RgbImage;
use image_editors::quality::{Direction, QualityScore};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use text_encoder::{ClipText, ClipTextOptions, Projection, TextEncoder};

use crate::Result;

/// Weights under either name, as the text tower looks for them.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// The longest config.json that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;
/// Vectors kept; photos come again with every editor and concept.
const KEPT: usize = 8192;

type Embed<T> = Box<dyn Fn(&T) -> Result<Vec<f32>, image_editors::Error> + Send + Sync>;

/// CLIP's image–text direction: the cosine between the change of the image and the change of the text, in CLIP's space
/// of unit vectors.
pub struct ClipScore {
    direction: Direction<Embed<RgbImage>, Embed<str>>,
    digest: String,
}

/// What config.json says of the image tower; the defaults are `transformers`' CLIPVisionConfig.
#[derive(Deserialize)]
#[serde(default)]
struct VisionFields {
    image_size: usize,
    patch_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    hidden_act: String,
}

impl Default for VisionFields {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 32,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            hidden_act: "quick_gelu".to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Fields {
    vision_config: Option<VisionFields>,
    #[serde(default = "default_projection")]
    projection_dim: usize,
}

fn default_projection() -> usize {
    512
}

impl ClipScore {
    /// Reads both towers and the tokenizer from the folder of a whole CLIP model in Hugging Face's layout
    /// (`openai/clip-vit-base-patch32`, say). `neutral` is the text for unedited photos.
    ///
    /// # Errors
    /// Names the file that is missing, damaged or without a tower, and says what is to lie there.
    pub fn open(dir: &Path, neutral: &str, device: &Device) -> Result<Self> {
        if !dir.is_dir() {
            return Err(format!("--clip {}: there is no such folder", dir.display()).into());
        }
        let fields = read_config(&dir.join("config.json"))?;
        let weights = weights(dir)?;
        let vision = read_vision(&fields, &weights, device)?;
        let options = ClipTextOptions {
            projection: Projection::Always,
            ..ClipTextOptions::default()
        };
        let text = ClipText::from_dir(dir, &options, device).map_err(|error| {
            format!(
                "--clip {}: CLIP's text side cannot be read: {error}",
                dir.display()
            )
        })?;
        if text.pooled_width() != vision.width() {
            return Err(format!(
                "--clip {}: texts have {} numbers and images {}; both towers must be of one CLIP model",
                dir.display(),
                text.pooled_width(),
                vision.width()
            )
            .into());
        }
        let digest = digest(&weights, text.digest(), neutral)?;
        let images = Kept::new(move |image: &RgbImage| embed_image(&vision, image));
        let texts = Kept::new(move |prompt: &str| {
            let mut vectors = text
                .encode_pooled(&[prompt])
                .map_err(|error| failed(&error))?;
            vectors.pop().ok_or_else(|| failed(&"no vector was given"))
        });
        let image: Embed<RgbImage> = Box::new(move |image| {
            let (width, height) = image.dimensions();
            let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
            images.get(&[&size, image.as_raw()], image)
        });
        let text: Embed<str> = Box::new(move |prompt| texts.get(&[prompt.as_bytes()], prompt));
        Ok(Self {
            direction: Direction::new(image, text, neutral),
            digest,
        })
    }

    /// SHA-256 over the weights, the configuration, the tokenizer and the neutral text: scores under one digest can be
    /// compared.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl QualityScore for ClipScore {
    fn name(&self) -> &str {
        "clip-direction"
    }

    fn score(
        &self,
        photo: &RgbImage,
        edited: &RgbImage,
        prompt: &str,
    ) -> Result<f64, image_editors::Error> {
        self.direction.score(photo, edited, prompt)
    }
}

/// An embedding, with the vectors that it gave.
struct Kept<T: ?Sized, F> {
    embed: F,
    vectors: Mutex<HashMap<[u8; 32], Vec<f32>>>,
    of: std::marker::PhantomData<fn(&T)>,
}

impl<T: ?Sized, F: Fn(&T) -> Result<Vec<f32>, image_editors::Error>> Kept<T, F> {
    fn new(embed: F) -> Self {
        Self {
            embed,
            vectors: Mutex::default(),
            of: std::marker::PhantomData,
        }
    }

    fn get(&self, key: &[&[u8]], value: &T) -> Result<Vec<f32>, image_editors::Error> {
        let mut hasher = Sha256::new();
        key.iter().for_each(|part| hasher.update(part));
        let key: [u8; 32] = hasher.finalize().into();
        let vectors = || self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vector) = vectors().get(&key) {
            return Ok(vector.clone());
        }
        let vector = (self.embed)(value)?;
        let mut vectors = vectors();
        if vectors.len() >= KEPT {
            vectors.clear();
        }
        vectors.insert(key, vector.clone());
        Ok(vector)
    }
}

fn read_config(path: &Path) -> Result<Fields> {
    let fail = |message: String| format!("--clip: {}: {message}", path.display());
    let file = File::open(path).map_err(|error| {
        fail(format!(
            "cannot be read ({error}); the folder must hold a whole CLIP model: config.json, model.safetensors, \
             tokenizer.json"
        ))
    })?;
    let mut text = String::new();
    let read = file.take(MAX_CONFIG).read_to_string(&mut text);
    read.map_err(|error| fail(error.to_string()))?;
    Ok(serde_json::from_str(&text).map_err(|error| fail(error.to_string()))?)
}

fn weights(dir: &Path) -> Result<PathBuf> {
    WEIGHTS
        .iter()
        .map(|name| dir.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            format!(
                "--clip {}: there is neither {} nor {}; put the weights of the whole CLIP model there",
                dir.display(),
                WEIGHTS[0],
                WEIGHTS[1]
            )
            .into()
        })
}

fn read_vision(fields: &Fields, weights: &Path, device: &Device) -> Result<ClipVision> {
    let config = weights.with_file_name("config.json");
    let vision = fields.vision_config.as_ref().ok_or_else(|| {
        format!(
            "--clip: {}: has no vision_config, so it is of a text tower alone; give the folder of a whole CLIP model",
            config.display()
        )
    })?;
    if vision.hidden_act != "quick_gelu" {
        return Err(format!(
            "--clip: {}: the image tower's hidden_act is {:?}, and quick_gelu is the one that is computed here; take \
             one of OpenAI's models",
            config.display(),
            vision.hidden_act
        )
        .into());
    }
    ClipVisionConfig::new()
        .with_size(vision.image_size)
        .with_patch(vision.patch_size)
        .with_width(vision.hidden_size)
        .with_inner(vision.intermediate_size)
        .with_blocks(vision.num_hidden_layers)
        .with_heads(vision.num_attention_heads)
        .with_outputs(fields.projection_dim)
        .load(weights, device)
        .map_err(|error| {
            format!(
                "--clip: CLIP's image side cannot be read from {}: {error}; give the folder of a whole CLIP model",
                weights.display()
            )
            .into()
        })
}

/// The text tower's digest has config.json, tokenizer and weights in it, but of PyTorch files only what it read.
fn digest(weights: &Path, text: &str, neutral: &str) -> Result<String> {
    let fail = |error: std::io::Error| format!("{}: {error}", weights.display());
    let mut hasher = Sha256::new();
    hasher.update(text);
    hasher.update(neutral.len().to_le_bytes());
    hasher.update(neutral);
    let mut file = File::open(weights).map_err(fail)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(fail)? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn embed_image(vision: &ClipVision, image: &RgbImage) -> Result<Vec<f32>, image_editors::Error> {
    let (width, height) = image.dimensions();
    let (width, height) = (width as usize, height as usize);
    let mut planes = Vec::with_capacity(3 * width * height);
    for channel in 0..3 {
        planes.extend(image.pixels().map(|p| f32::from(p.0[channel]) / 255.0));
    }
    // The network moves the batch to where its weights are.
    let data = TensorData::new(planes, [1, 3, height, width]);
    let images = Tensor::<4>::from_data(data, &Device::default());
    let features = vision.features(images).map_err(|error| failed(&error))?;
    let mut vector = features
        .into_data()
        .try_into_vec::<f32>()
        .map_err(|error| failed(&error))?;
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v /= norm);
    }
    Ok(vector)
}

fn failed(error: &dyn std::fmt::Display) -> image_editors::Error {
    image_editors::Error::Score {
        score: "clip-direction".to_owned(),
        source: error.to_string().into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use concepts::ImageEditor;
    use image_editors::quality::NoReference;
    use image_editors::run::{EditConcept, EditRun, EditSettings, NamedImage};
    use serde_json::Value;

    const FILES: [&str; 4] = [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];

    fn fixture() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/image-editors/tests/fixtures/clip")
    }

    fn open(dir: &Path) -> Result<ClipScore> {
        ClipScore::open(dir, "a photo", &Device::flex())
    }

    fn reference() -> Value {
        serde_json::from_slice(&std::fs::read(fixture().join("reference.json")).unwrap()).unwrap()
    }

    /// The photos of tools/editor_fixtures_clip.py.
    fn photo(number: u32) -> RgbImage {
        RgbImage::from_fn(32, 32, |x, y| {
            image::Rgb([
                ((x * 7 + 40 * number) % 200) as u8,
                ((y * 5 + 30 * number) % 200) as u8,
                (((x ^ y) * 3 + 20) % 200) as u8,
            ])
        })
    }

    struct Tint(&'static str, usize);

    impl ImageEditor for Tint {
        fn name(&self) -> &str {
            self.0
        }

        fn edit(&self, photo: &RgbImage, _: &str, _: u64) -> Result<RgbImage, concepts::Error> {
            let mut edited = photo.clone();
            edited.pixels_mut().for_each(|p| p.0[self.1] += 50);
            Ok(edited)
        }
    }

    #[test]
    fn scores_are_those_of_transformers() {
        let (score, reference) = (open(&fixture()).unwrap(), reference());
        for (name, prompt) in reference["prompts"].as_object().unwrap() {
            for editor in [Tint("red", 0), Tint("blue", 2)] {
                for number in 0..3 {
                    let photo = photo(number);
                    let edited = editor.edit(&photo, "", 0).unwrap();
                    let ours = score
                        .score(&photo, &edited, prompt.as_str().unwrap())
                        .unwrap();
                    let theirs = reference["scores"][name][editor.0][number as usize]
                        .as_f64()
                        .unwrap();
                    assert!((ours - theirs).abs() < 1e-3, "{ours} against {theirs}");
                }
            }
        }
    }

    #[test]
    fn the_editor_whose_direction_fits_is_chosen() {
        let dir = tempfile::tempdir().unwrap();
        let concepts: Vec<EditConcept> = reference()["prompts"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, prompt)| EditConcept {
                name: name.clone(),
                prompt: prompt.as_str().unwrap().to_owned(),
            })
            .collect();
        let photos: Vec<NamedImage> = (0..3)
            .map(|number| NamedImage {
                name: format!("photo-{number}"),
                image: photo(number),
            })
            .collect();
        let (red, blue) = (Tint("red", 0), Tint("blue", 2));
        let editors: [&(dyn ImageEditor + Sync); 2] = [&red, &blue];
        let settings = EditSettings::default();
        let run = EditRun::new(dir.path(), &concepts, &photos, &editors, settings).unwrap();
        run.run(&|_| {}).unwrap();
        let score = open(&fixture()).unwrap();
        let mut blind = Vec::new();
        for concept in &concepts {
            let best = run.choose(concept, &score).unwrap();
            assert_eq!(best.editor, concept.name);
            assert_eq!(best.score, "clip-direction");
            assert!(best.ranking[0].mean > best.ranking[1].mean + 0.2);
            blind.push(run.choose(concept, &NoReference).unwrap().editor);
        }
        // Without CLIP the prompt makes no difference.
        assert_eq!(blind[0], blind[1]);
    }

    fn copy_without(missing: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in FILES.iter().filter(|name| **name != missing) {
            std::fs::copy(fixture().join(name), dir.path().join(name)).unwrap();
        }
        dir
    }

    fn refused(dir: &Path) -> String {
        match open(dir) {
            Ok(_) => panic!("{} was taken", dir.display()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(refused(Path::new("no/such/folder")).contains("no/such/folder"));
        for name in &FILES[..3] {
            let dir = copy_without(name);
            let error = refused(dir.path());
            assert!(error.contains(name.split('.').next().unwrap()), "{error}");
            assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
        }
        let dir = copy_without("");
        let path = dir.path().join("config.json");
        let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for (change, word) in [
            (
                Box::new(|config: &mut Value| {
                    config.as_object_mut().unwrap().remove("vision_config");
                }) as Box<dyn Fn(&mut Value)>,
                "whole CLIP model",
            ),
            (
                Box::new(|config| config["vision_config"]["hidden_act"] = "gelu".into()),
                "quick_gelu",
            ),
            (
                Box::new(|config| config["vision_config"]["num_hidden_layers"] = 3.into()),
                "encoder.layers.2",
            ),
            (
                Box::new(|config| config["projection_dim"] = 24.into()),
                "16",
            ),
        ] {
            let mut config = whole.clone();
            change(&mut config);
            std::fs::write(&path, config.to_string()).unwrap();
            let error = refused(dir.path());
            assert!(error.contains(word), "{word}: {error}");
        }
        // A text tower alone, with the whole model's configuration.
        std::fs::write(&path, whole.to_string()).unwrap();
        let text = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crates/text-encoder/tests/fixtures/clip-legacy/model.safetensors");
        std::fs::copy(text, dir.path().join("model.safetensors")).unwrap();
        let error = refused(dir.path());
        assert!(
            error.contains("image side") && error.contains("model.safetensors"),
            "{error}"
        );
    }

    #[test]
    fn the_digest_covers_weights_and_the_neutral_text() {
        let whole = open(&fixture()).unwrap();
        let dir = copy_without("");
        assert_eq!(open(dir.path()).unwrap().digest(), whole.digest());
        let other = ClipScore::open(&fixture(), "a face", &Device::flex()).unwrap();
        assert_ne!(other.digest(), whole.digest());
        // One bit of the image tower's last weight.
        let path = dir.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_ne!(open(dir.path()).unwrap().digest(), whole.digest());
    }
}
