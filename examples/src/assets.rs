//! The shipped files, and where else to take them from.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::Args;
use clean_fid::{EfficientNetLite0, EfficientNetLite0Config};
use lora_gan::BaseGenerator;
use text_encoder::{StaticEncoder, TextEncoder, open_encoder};
use weight_diffusion::{HostText, TextSpec};

use crate::Result;

/// Where the base generator, the photos, the zoo and the weight generator lie.
#[derive(Debug, Clone, Args)]
pub struct AssetArgs {
    /// Folder of the shipped assets; the options below replace single ones.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"))]
    pub assets: PathBuf,
    /// Frozen base generator [default: ASSETS/base].
    #[arg(long, value_name = "DIR")]
    pub base: Option<PathBuf>,
    /// Photos [default: ASSETS/photos].
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// Zoo of trained adapters [default: ASSETS/zoo].
    #[arg(long, value_name = "DIR")]
    pub zoo: Option<PathBuf>,
    /// Weight generator [default: ASSETS/weight-generator].
    #[arg(long, value_name = "DIR")]
    pub generator: Option<PathBuf>,
}

impl AssetArgs {
    fn or(&self, own: Option<&PathBuf>, name: &str) -> PathBuf {
        own.cloned().unwrap_or_else(|| self.assets.join(name))
    }

    /// Folder of the base generator.
    pub fn base_dir(&self) -> PathBuf {
        self.or(self.base.as_ref(), "base")
    }

    /// Folder of the photos.
    pub fn photos_dir(&self) -> PathBuf {
        self.or(self.photos.as_ref(), "photos")
    }

    /// Folder of the zoo.
    pub fn zoo_dir(&self) -> PathBuf {
        self.or(self.zoo.as_ref(), "zoo")
    }

    /// Folder of the weight generator.
    pub fn generator_dir(&self) -> PathBuf {
        self.or(self.generator.as_ref(), "weight-generator")
    }

    /// Reads the frozen base.
    ///
    /// # Errors
    /// Names the file that is missing or damaged.
    pub fn load_base(&self, device: &Device) -> Result<BaseGenerator> {
        Ok(BaseGenerator::load(&self.base_dir(), device)?)
    }

    /// Reads the feature network of the quality metric, for images of 128×128 pixels.
    ///
    /// # Errors
    /// Names the file that is missing or damaged.
    pub fn load_features(&self, device: &Device) -> Result<EfficientNetLite0> {
        let path = self
            .assets
            .join("efficientnet-lite0/efficientnet-lite0.safetensors");
        Ok(EfficientNetLite0Config::new()
            .with_input_size(128)
            .load(path, device)?)
    }
}

/// `--text-encoder`.
#[derive(Debug, Clone, Args)]
pub struct TextArgs {
    /// What reads the prompts: static (compiled in), or a folder with a CLIP or sentence-transformers
    /// model (config.json, weights, tokenizer). A weight generator works with the encoder it was
    /// trained with only.
    #[arg(long, value_name = "static|DIR", default_value = STATIC)]
    pub text_encoder: PathBuf,
}

/// The name of the encoder that is compiled in.
const STATIC: &str = "static";

impl TextArgs {
    /// Loads the encoder; one of a folder computes on `device`.
    ///
    /// # Errors
    /// Names the file that is missing, damaged or of another kind of model.
    pub fn load(&self, device: &Device) -> Result<Text> {
        if self.text_encoder == Path::new(STATIC) {
            return Text::embedded();
        }
        Ok(Text {
            encoder: open_encoder(&self.text_encoder, device)?,
        })
    }
}

/// A text encoder, and its output on the host.
pub struct Text {
    encoder: Box<dyn TextEncoder>,
}

impl Text {
    /// The encoder that is compiled in.
    ///
    /// # Errors
    /// Where its embedded asset is damaged.
    pub fn embedded() -> Result<Self> {
        Ok(Self {
            encoder: Box::new(StaticEncoder::embedded()?),
        })
    }

    /// The encoder itself.
    pub fn encoder(&self) -> &dyn TextEncoder {
        &*self.encoder
    }

    /// Which encoder a weight generator of its tokens has to name.
    pub fn spec(&self) -> TextSpec {
        TextSpec {
            encoder: self.encoder.name().to_owned(),
            digest: self.encoder.digest().to_owned(),
            width: self.encoder.width(),
        }
    }

    /// Tokens of one prompt; warns where it was cut.
    ///
    /// # Errors
    /// A prompt without a known word.
    pub fn tokens(&self, prompt: &str, device: &Device) -> Result<HostText> {
        let encoding = self.encoder.encode(&[prompt], device)?;
        if encoding.truncated.contains(&true) {
            log::warn!(
                "prompt cut to its first {} tokens: {prompt}",
                self.encoder.max_tokens()
            );
        }
        let [_, len, _] = encoding.tokens.dims();
        let tokens = encoding.tokens.into_data().try_into_vec::<f32>()?;
        Ok(HostText { tokens, len })
    }

    /// The prompt of `candidates` that is least like `prompt`.
    ///
    /// # Errors
    /// A prompt without a known word; no candidate but `prompt` itself.
    pub fn least_similar<'c>(
        &self,
        prompt: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Result<String> {
        let own = self.pooled(prompt)?;
        let mut worst: Option<(f32, &str)> = None;
        for other in candidates.into_iter().filter(|other| *other != prompt) {
            let vector = self.pooled(other)?;
            let similarity: f32 = own.iter().zip(&vector).map(|(a, b)| a * b).sum();
            if worst.is_none_or(|(lowest, _)| similarity < lowest) {
                worst = Some((similarity, other));
            }
        }
        worst
            .map(|(_, other)| other.to_owned())
            .ok_or_else(|| format!("there is no other prompt than {prompt:?}").into())
    }

    /// Pooled vector of norm 1 of one prompt.
    ///
    /// # Errors
    /// A prompt without a known word.
    pub fn pooled(&self, prompt: &str) -> Result<Vec<f32>> {
        let mut vectors = self.encoder.encode_pooled(&[prompt])?;
        vectors
            .pop()
            .ok_or_else(|| format!("prompt {prompt:?} gave no vector").into())
    }
}

/// `path` as people type it: relative to the current folder where it lies below it.
pub fn display(path: &Path) -> String {
    let shown = std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok())
        .unwrap_or(path);
    shown.display().to_string()
}
