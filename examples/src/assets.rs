//! The shipped files, and where else to take them from.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::Args;
use denoised_weights::{AdapterPredictor, Assets, PromptEncoder};

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
    /// The paths that the options name.
    pub fn paths(&self) -> Assets {
        let shipped = Assets::new(&self.assets);
        Assets {
            base: self.base.clone().unwrap_or(shipped.base),
            photos: self.photos.clone().unwrap_or(shipped.photos),
            zoo: self.zoo.clone().unwrap_or(shipped.zoo),
            weight_generator: self.generator.clone().unwrap_or(shipped.weight_generator),
            feature_network: shipped.feature_network,
        }
    }

    /// Loads the base, the weight generator and the encoder that `text` names, side by side.
    ///
    /// # Errors
    /// As [`AdapterPredictor::load_with_encoder`].
    pub fn load_predictor(&self, text: &TextArgs, device: &Device) -> Result<AdapterPredictor> {
        let encoder = || text.load(device);
        Ok(AdapterPredictor::load_with_encoder(
            &self.paths(),
            device,
            encoder,
        )?)
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
    /// As [`PromptEncoder::embedded`] and [`PromptEncoder::open`].
    pub fn load(&self, device: &Device) -> Result<PromptEncoder, denoised_weights::Error> {
        if self.text_encoder == Path::new(STATIC) {
            return PromptEncoder::embedded();
        }
        PromptEncoder::open(&self.text_encoder, device)
    }
}

/// `path` as people type it: relative to the current folder if it is below it.
pub fn display(path: &Path) -> String {
    let shown = std::env::current_dir()
        .ok()
        .and_then(|dir| path.strip_prefix(dir).ok())
        .unwrap_or(path);
    shown.display().to_string()
}
