use std::fs::File;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clean_fid::{ClipVision, ClipVisionConfig, FeatureNet};
use serde::Deserialize;
use tensor_file::digest::Sha256;
use tensor_file::{decode_text, read_limited};
use text_encoder::{ClipText, ClipTextOptions, Projection, TextEncoder};

/// Names of the weights, in the order in which the text tower looks for them.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// The longest config.json that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Why a folder cannot be used as a CLIP model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// There is no such folder.
    #[error("{}: there is no such folder", path.display())]
    NoFolder {
        /// Its path.
        path: PathBuf,
    },
    /// config.json is missing or cannot be read.
    #[error(
        "{source}; the folder must contain a whole CLIP model: config.json, model.safetensors, tokenizer.json"
    )]
    ReadConfig {
        /// The cause, which names the file.
        source: tensor_file::Error,
    },
    /// config.json is damaged.
    #[error("{}: {source}", path.display())]
    BadConfig {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// There are no weights.
    #[error(
        "{}: there is neither {} nor {}; put the weights of the whole CLIP model there",
        path.display(), WEIGHTS[0], WEIGHTS[1]
    )]
    NoWeights {
        /// The folder.
        path: PathBuf,
    },
    /// config.json describes no image tower.
    #[error(
        "{}: there is no vision_config, so the file describes a text tower alone; use the folder of a whole CLIP model",
        path.display()
    )]
    NoImageTower {
        /// The file.
        path: PathBuf,
    },
    /// The image tower has an activation function that is not implemented.
    #[error(
        "{}: the image tower's hidden_act is {activation:?}, and only quick_gelu is implemented; use one of OpenAI's models",
        path.display()
    )]
    Activation {
        /// The file.
        path: PathBuf,
        /// The value of `hidden_act`.
        activation: String,
    },
    /// The image tower cannot be loaded.
    #[error(
        "CLIP's image side cannot be read from {}: {source}; use the folder of a whole CLIP model",
        path.display()
    )]
    ImageTower {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<clean_fid::Error>,
    },
    /// The text tower cannot be loaded.
    #[error("{}: CLIP's text side cannot be read: {source}", path.display())]
    TextTower {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: text_encoder::Error,
    },
    /// The towers embed into different spaces.
    #[error(
        "{}: texts have {texts} numbers and images {images}; both towers must be of one CLIP model",
        path.display()
    )]
    Widths {
        /// The folder.
        path: PathBuf,
        /// Length of a text's vector.
        texts: usize,
        /// Length of an image's vector.
        images: usize,
    },
    /// The weights cannot be read for their digest.
    #[error("{}: {source}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// The image tower in config.json; the defaults are those of `transformers`' CLIPVisionConfig.
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

/// Both towers of one model.
pub(super) struct Towers {
    pub(super) vision: ClipVision,
    pub(super) text: ClipText,
}

/// A folder with a whole CLIP model.
pub(super) struct ClipFolder {
    dir: PathBuf,
    fields: Fields,
    weights: PathBuf,
}

impl ClipFolder {
    /// Reads config.json and finds the weights.
    pub(super) fn open(dir: &Path) -> Result<Self, ClipError> {
        let dir = dir.to_owned();
        if !dir.is_dir() {
            return Err(ClipError::NoFolder { path: dir });
        }
        let fields = read_config(&dir.join("config.json"))?;
        let mut candidates = WEIGHTS.iter().map(|name| dir.join(name));
        match candidates.find(|path| path.is_file()) {
            Some(weights) => Ok(Self {
                dir,
                fields,
                weights,
            }),
            None => Err(ClipError::NoWeights { path: dir }),
        }
    }

    pub(super) fn load(&self, device: &Device) -> Result<Towers, ClipError> {
        let vision = self.load_vision(device)?;
        let options = ClipTextOptions {
            projection: Projection::Always,
            ..ClipTextOptions::default()
        };
        let text = ClipText::from_dir(&self.dir, &options, device).map_err(|source| {
            ClipError::TextTower {
                path: self.dir.clone(),
                source,
            }
        })?;
        if text.pooled_width() != vision.width() {
            return Err(ClipError::Widths {
                path: self.dir.clone(),
                texts: text.pooled_width(),
                images: vision.width(),
            });
        }
        Ok(Towers { vision, text })
    }

    /// Adds the whole file of weights.
    pub(super) fn add_weights(&self, digest: &mut Sha256) -> Result<(), ClipError> {
        let file = File::open(&self.weights);
        let added = file.and_then(|file| digest.update_reader(file));
        added.map(drop).map_err(|source| ClipError::Digest {
            path: self.weights.clone(),
            source,
        })
    }

    fn load_vision(&self, device: &Device) -> Result<ClipVision, ClipError> {
        let config = || self.dir.join("config.json");
        let Some(vision) = &self.fields.vision_config else {
            return Err(ClipError::NoImageTower { path: config() });
        };
        if vision.hidden_act != "quick_gelu" {
            return Err(ClipError::Activation {
                path: config(),
                activation: vision.hidden_act.clone(),
            });
        }
        ClipVisionConfig::new()
            .with_size(vision.image_size)
            .with_patch(vision.patch_size)
            .with_width(vision.hidden_size)
            .with_inner(vision.intermediate_size)
            .with_blocks(vision.num_hidden_layers)
            .with_heads(vision.num_attention_heads)
            .with_outputs(self.fields.projection_dim)
            .load(&self.weights, device)
            .map_err(|source| ClipError::ImageTower {
                path: self.weights.clone(),
                source: Box::new(source),
            })
    }
}

fn read_config(path: &Path) -> Result<Fields, ClipError> {
    let read = |source| ClipError::ReadConfig { source };
    let bytes = read_limited(path, MAX_CONFIG).map_err(read)?;
    serde_json::from_str(decode_text(&bytes, path).map_err(read)?).map_err(|source| {
        ClipError::BadConfig {
            path: path.to_owned(),
            source,
        }
    })
}
